"""Writing the tables into docs/results/economy.md, from economy.json.

python -m benchmarks.accuracy.economy.docs
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable
from pathlib import Path

from benchmarks.accuracy.economy import results as file
from benchmarks.accuracy.economy.active import ACTIVE, RANDOM
from benchmarks.accuracy.economy.results import Results
from benchmarks.accuracy.economy.transfer import (
    CHOSEN,
    FEW,
    SCRATCH,
    TRANSFER,
    TransferCell,
)
from benchmarks.generated import with_parts

PAGE = Path(__file__).parents[3] / "docs" / "results" / "economy.md"
_MODULE = "benchmarks.accuracy.economy.docs"


def active_table(results: Results) -> str:
    lines = [
        "| table | blocks | at random | chosen after the first | ratio |",
        "|---|---|---|---|---|",
    ]
    for table in dict.fromkeys(cell.table for cell in results.active):
        for samples in sorted({cell.samples for cell in results.active if cell.table == table}):
            drawn, chosen = (
                statistics.mean(
                    cell.mape_pct
                    for cell in results.active
                    if (cell.table, cell.samples, cell.method) == (table, samples, method)
                )
                for method in (RANDOM, ACTIVE)
            )
            lines.append(
                f"| {table} | {samples} | {drawn:.2f}% | {chosen:.2f}% | {chosen / drawn:.2f} |"
            )
    return "\n".join(lines)


def transfer_table(results: Results) -> str:
    names = {SCRATCH: "from scratch", TRANSFER: "with transfer", CHOSEN: "what training keeps"}
    lines = [
        "| source to target | training | 10 | 20 | 50 | many | networks: 10 | 20 | 50 | many |",
        f"|{'---|' * 10}",
    ]
    for pair in dict.fromkeys(cell.pair for cell in results.transfer):
        own = [cell for cell in results.transfer if cell.pair == pair]
        many = max(cell.samples for cell in own)
        for method, name in names.items():
            counts = [*FEW, many]
            mape = [_mean(c.mape_pct for c in own if _is(c, n, method)) for n in counts]
            network = [_mean(c.network_pct for c in own if _is(c, n, method)) for n in counts]
            label = f"{name} (many: {many})" if method == SCRATCH else name
            lines.append(f"| {pair} | {label} | {' | '.join([*mape, *network])} |")
    return "\n".join(lines)


def _is(cell: TransferCell, samples: int, method: str) -> bool:
    return (cell.samples, cell.method) == (samples, method)


def _mean(values: Iterable[float | None]) -> str:
    known = [value for value in values if value is not None]
    return f"{statistics.mean(known):.1f}%" if known else "-"


PARTS: dict[str, Callable[[Results], str]] = {"active": active_table, "transfer": transfer_table}


def rendered(text: str, results: Results) -> str:
    """The page with every generated part as the results have it.

    Raises ValueError if a part has no place in the page.
    """
    parts = {name: render(results) for name, render in PARTS.items()}
    return with_parts(text, _MODULE, parts)


def write() -> None:
    PAGE.write_text(rendered(PAGE.read_text(), file.read()))


if __name__ == "__main__":
    write()
