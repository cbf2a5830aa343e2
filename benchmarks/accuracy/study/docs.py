"""Writing the tables into docs/results/accuracy.md and the plots beside it, from study.json.

python -m benchmarks.accuracy.study.docs
"""

from __future__ import annotations

from pathlib import Path

from benchmarks.accuracy.study import results as file
from benchmarks.accuracy.study.markdown import PARTS
from benchmarks.accuracy.study.plots import PLOTS
from benchmarks.accuracy.study.results import Results
from benchmarks.generated import with_parts

PAGE = Path(__file__).parents[3] / "docs" / "results" / "accuracy.md"
_MODULE = "benchmarks.accuracy.study.docs"


def rendered(text: str, results: Results) -> str:
    """The page with every generated part as the results have it.

    Raises ValueError if a part has no place in the page.
    """
    parts = {name: render(results) for name, render in PARTS.items()}
    return with_parts(text, _MODULE, parts)


def write() -> None:
    results = file.read()
    if results is None:
        return
    PAGE.write_text(rendered(PAGE.read_text(encoding="utf-8"), results), encoding="utf-8")
    for name, render in PLOTS.items():
        PAGE.with_name(name).write_text(render(results), encoding="utf-8")


if __name__ == "__main__":
    write()
