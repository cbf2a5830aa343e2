"""A quality in words, printed on standard error while it is measured."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from lpnet.cli.layout import percent
from lpnet.schemas.quality import OtherLoad, Quality, SentinelSpread


def print_quality(quality: Quality) -> None:
    for line in quality_lines(quality):
        print(line, file=sys.stderr, flush=True)


def quality_lines(quality: Quality) -> Iterator[str]:
    yield f"samples are {quality.verdict} after {quality.measured} workloads: {quality.reason}"
    load = _load(quality.other_load)
    if load:
        yield f"  load of others: {', '.join(load)}"
    if quality.sentinels:
        yield f"  sentinels: {'; '.join(map(_sentinel, quality.sentinels))}"
    yield f"  expected error of an LPNet: {_expected_error(quality)}"
    if quality.advice:
        yield "  what would help:"
        yield from (f"  - {line}" for line in quality.advice)


def _expected_error(quality: Quality) -> str:
    if quality.expected_error_pct is None:
        return f"unknown ({quality.expected_error_source})"
    return f"at least {percent(quality.expected_error_pct)}, by {quality.expected_error_source}"


def _load(load: OtherLoad) -> list[str]:
    figures = (
        ("on its CPU {} of the time", load.cpu_pct),
        ("other cores {} busy", load.cores_pct),
        ("memory {} slower", load.memory_pct),
        ("arithmetic slower beside {} of the runs", load.slowed_pct),
        ("arithmetic probes {} apart", load.probes_pct),
        ("visits to a workload {} apart", load.visits_pct),
    )
    return [text.format(percent(value)) for text, value in figures if value is not None]


def _sentinel(spread: SentinelSpread) -> str:
    disturbed = f", {spread.disturbed} disturbed" if spread.disturbed else ""
    apart = "" if spread.spread_pct is None else f", {percent(spread.spread_pct)} apart"
    count = "1 reading" if spread.readings == 1 else f"{spread.readings} readings"
    return f"{spread.sentinel} {count}{disturbed}{apart}"
