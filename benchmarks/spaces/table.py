"""The figures and the tables of records."""

from __future__ import annotations

import re
import statistics
from collections import Counter
from collections.abc import Iterable, Sequence

from benchmarks.spaces.record import Record

_MOST_REASONS = 3


def figures(records: Sequence[Record]) -> str:
    """The figures of all families, in a sentence each."""
    exported = [record for record in records if record.exported]
    spaces = [record for record in records if record.space]
    prunings = sum(record.prunings for record in records)
    silent = sum(len(record.silent) for record in records)
    wrong = sum(bool(record.silent) for record in records)
    return (
        f"**{len(spaces)} of {len(records)} families are a space; {len(exported)} export. "
        f"{silent} silent errors over {prunings} prunings, in {wrong} families.\n"
        f"Median share of channels frozen: {_median(spaces, 'cnn')} of CNNs, "
        f"{_median(spaces, 'transformer')} of transformers.**\n"
        f"Without the channels that leave the network as outputs: "
        f"{_median(spaces, 'cnn', inside=True)} and "
        f"{_median(spaces, 'transformer', inside=True)}."
    )


def _median(records: Iterable[Record], kind: str, *, inside: bool = False) -> str:
    own = [record for record in records if record.kind == kind]
    listed = [record.frozen_inside if inside else record.frozen_share for record in own]
    shares = [share for share in listed if share is not None]
    return f"{statistics.median(shares):.1%}" if shares else "none"


def packages(records: Sequence[Record]) -> str:
    """A row per package."""
    lines = [
        "| package | families | export | a space | prunings | silent errors "
        "| frozen, median | export, s | own, s |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for package in dict.fromkeys(record.name.split("/")[0] for record in records):
        own = [record for record in records if record.name.startswith(f"{package}/")]
        spaces = [record for record in own if record.space]
        shares = [r.frozen_share for r in spaces if r.frozen_share is not None]
        cells = [
            package,
            len(own),
            sum(record.exported for record in own),
            len(spaces),
            sum(record.prunings for record in own),
            sum(len(record.silent) for record in own),
            f"{statistics.median(shares):.1%}" if shares else "",
            f"{statistics.median(r.export_s for r in spaces):.1f}" if spaces else "",
            f"{statistics.median(r.own_s for r in spaces):.1f}" if spaces else "",
        ]
        lines.append(_row(cells))
    return "\n".join(lines)


def families(records: Sequence[Record]) -> str:
    """A row per family."""
    lines = [
        "| family | ops | widths | frozen | by | prunings | MACs kept | export, s | own, s "
        "| result |",
        "|---|---:|---:|---:|---|---:|---|---:|---:|---|",
    ]
    for record in records:
        share = record.frozen_share
        cells = [
            record.name,
            record.ops or "",
            record.widths if record.space else "",
            "" if share is None else f"{share:.1%}",
            _reasons(record),
            record.prunings,
            _range(record.macs_kept),
            f"{record.export_s:.1f}",
            f"{record.own_s:.1f}" if record.space else "",
            _result(record),
        ]
        lines.append(_row(cells))
    return "\n".join(lines)


def failures(records: Sequence[Record]) -> str:
    """A row per family and stage that failed, with the first error."""
    lines = ["| family | stage | silent | times | first error |", "|---|---|---|---:|---|"]
    for record in records:
        times = Counter(failure.stage for failure in record.failures)
        for stage, count in times.items():
            first = next(failure for failure in record.failures if failure.stage == stage)
            silent = "yes" if first.silent else "no"
            lines.append(_row([record.name, stage, silent, count, _plain(first.error)]))
    return "\n".join(lines) if len(lines) > 2 else "None."


def sabotage(rows: Sequence[dict[str, str]]) -> str:
    """A row per error that was made on purpose."""
    if not rows:
        return "Not run."
    lines = [_row([*rows[0]]), "|" + "---|" * len(rows[0])]
    lines += [_row([_plain(cell) for cell in row.values()]) for row in rows]
    return "\n".join(lines)


def _range(shares: Sequence[float]) -> str:
    if not shares:
        return ""
    low, high = f"{min(shares):.0%}", f"{max(shares):.0%}"
    return low if low == high else f"{low} to {high}"


def _reasons(record: Record) -> str:
    """Ops and reasons, with the channels that each keeps, most first.

    Reasons that differ in their numbers only are listed once.
    """
    counts: Counter[str] = Counter()
    for entry in record.frozen:
        counts[re.sub(r"\d+", "N", f"{entry.op}: {entry.reason}")] += entry.channels
    listed = [f"{_plain(name)} ({count})" for name, count in counts.most_common(_MOST_REASONS)]
    more = len(counts) - len(listed)
    return "; ".join(listed) + (f"; {more} more" if more else "")


def _result(record: Record) -> str:
    if not record.failures:
        return "as said"
    return ", ".join(dict.fromkeys(failure.stage for failure in record.failures))


def _plain(text: str) -> str:
    text = " ".join(text.replace("|", "/").split())
    return text if len(text) <= 160 else f"{text[:157]}..."


def _row(cells: Sequence[object]) -> str:
    return f"| {' | '.join(map(str, cells))} |"
