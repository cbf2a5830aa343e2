"""Writing the tables into docs/results/accuracy.md, from kinds.json.

python -m benchmarks.accuracy.kinds.docs
"""

from __future__ import annotations

from pathlib import Path

from benchmarks.accuracy.kinds import results as file
from benchmarks.accuracy.kinds.results import Results
from benchmarks.accuracy.kinds.tables import NOT_RUN, PARTS
from benchmarks.generated import with_parts

PAGE = Path(__file__).parents[3] / "docs" / "results" / "accuracy.md"
_MODULE = "benchmarks.accuracy.kinds.docs"


def rendered(text: str, results: Results | None) -> str:
    """The page with every generated part as the results have it.

    Raises ValueError if a part has no place in the page.
    """
    parts = {
        name: NOT_RUN if results is None else render(results) for name, render in PARTS.items()
    }
    return with_parts(text, _MODULE, parts)


def write() -> None:
    PAGE.write_text(rendered(PAGE.read_text(), file.read()))


if __name__ == "__main__":
    write()
