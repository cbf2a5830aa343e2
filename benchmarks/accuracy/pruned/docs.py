"""Writing the tables into docs/results/pruned-networks.md, from pruned.json.

python -m benchmarks.accuracy.pruned.docs
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.accuracy.pruned import results as file
from benchmarks.accuracy.pruned.results import Results
from benchmarks.accuracy.pruned.tables import render
from benchmarks.generated import with_parts

PAGE = Path(__file__).parents[3] / "docs" / "results" / "pruned-networks.md"
_MODULE = "benchmarks.accuracy.pruned.docs"


def rendered(text: str, runs: Sequence[Results]) -> str:
    """The page with the generated part as the results have it.

    Raises ValueError if the part has no place in the page.
    """
    return with_parts(text, _MODULE, {"": render(runs)})


def write() -> None:
    page = rendered(PAGE.read_text(encoding="utf-8"), file.read())
    PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    write()
