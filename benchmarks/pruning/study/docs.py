"""Write the study's tables into README.md and the docs, from the result files.

python -m benchmarks.pruning.study.docs
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from benchmarks.generated import mark, with_parts
from benchmarks.pruning.study import table

_ROOT = Path(__file__).parents[3]
_MODULE = "benchmarks.pruning.study.docs"
_PARTS: dict[str, Callable[[], str]] = {
    "at budget": table.at_budget,
    "all methods": table.markdown,
    "predictions": table.predictions,
}
PAGES = (_ROOT / "README.md", _ROOT / "docs" / "results" / "pruning-study.md")


def rendered(text: str) -> str:
    """A page with the generated parts that it has as the result files have them now."""
    parts = {name: render() for name, render in _PARTS.items() if mark(_MODULE, name) in text}
    return with_parts(text, _MODULE, parts)


def main() -> None:
    for page in PAGES:
        page.write_text(rendered(page.read_text()))


if __name__ == "__main__":
    main()
