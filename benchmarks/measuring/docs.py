"""Writing the tables into docs/results/measuring.md, from campaigns.json and demos.json.

python -m benchmarks.measuring.docs
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from benchmarks.generated import with_parts
from benchmarks.measuring import demos, results, tables
from benchmarks.measuring.demos import Demos
from benchmarks.measuring.results import Results

PAGE = Path(__file__).parents[2] / "docs" / "results" / "measuring.md"
_MODULE = "benchmarks.measuring.docs"


def parts(campaigns: Results | None, runs: Demos | None) -> dict[str, str]:
    """The generated parts of the page by name, of the benchmarks that were run."""
    texts = {}
    if campaigns is not None:
        texts = {name: render(campaigns) for name, render in tables.PARTS.items()}
    return texts if runs is None else texts | {"demos": tables.demos(runs)}


def rendered(text: str, parts: Mapping[str, str]) -> str:
    """The page with every generated part replaced.

    Raises ValueError if a part is not marked in the page.
    """
    return with_parts(text, _MODULE, parts)


def write() -> None:
    PAGE.write_text(rendered(PAGE.read_text(), parts(results.read(), demos.read())))


if __name__ == "__main__":
    write()
