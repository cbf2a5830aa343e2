"""A strict parser of what LiteRT's `benchmark_model` prints. Figures that are misplaced or that
contradict each other are refused.

For the timed runs it prints one line, in whole microseconds except for the mean:

    count=51 first=9832 curr=9801 min=9702 max=10311 avg=9834.7 std=118 p5=9722 median=9815 p95=...

or, if all took the same time, `count=51 curr=9832(all same) p5=9832 median=9832 p95=9832`. A
similar line for the warm-up comes before it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

from lpnet_agent.errors import MeasureFailed

RESOLUTION_MS = 1e-3

_NUMBER = r"[0-9]+(?:\.[0-9]+)?(?:e[+-]?[0-9]+)?"
_COUNT = re.compile(r"(?:INFO: )?count=.*")
_FIELD = re.compile(rf"([a-z0-9]+)=({_NUMBER})")
_ALL_SAME = "(all same)"
_SUMMARY = re.compile(
    rf"(?:INFO: )?Inference timings in us: Init: ({_NUMBER}), First inference: ({_NUMBER}), "
    rf"Warmup \(avg\): ({_NUMBER}), Inference \(avg\): ({_NUMBER})"
)
_UNKNOWN = re.compile(r"Unconsumed cmdline flags:\s*(.*\S)")
_SPREAD = ("first", "curr", "min", "max", "avg", "std")
_QUANTILES = ("p5", "median", "p95")
# The mean is printed with six digits.
_MEAN_TOLERANCE = 2e-5


@dataclass(frozen=True)
class BenchmarkTiming:
    """The timed runs of one call of benchmark_model, ms. `init_ms` is the time to load."""

    count: int
    min_ms: float
    p5_ms: float
    median_ms: float
    p95_ms: float
    max_ms: float
    mean_ms: float
    std_ms: float
    init_ms: float

    @property
    def total_s(self) -> float:
        return self.count * self.mean_ms / 1e3


def parse(output: str) -> BenchmarkTiming:
    """Raises MeasureFailed, quoting the line that cannot be parsed."""
    lines = [line.strip() for line in output.splitlines()]
    counts = [line for line in lines if _COUNT.fullmatch(line)]
    summaries = [match for line in lines if (match := _SUMMARY.fullmatch(line))]
    if len(counts) != 2 or len(summaries) != 1:
        raise MeasureFailed(
            f"benchmark_model printed {len(counts)} lines of figures and {len(summaries)} "
            f"summaries, expected 2 and 1; the last line: {_last(lines)!r}"
        )
    line = counts[1]
    figures = _figures(line)
    init_us, mean_us = float(summaries[0][1]), float(summaries[0][4])
    contradiction = next(_contradictions(figures, mean_us), None)
    if contradiction is not None:
        raise MeasureFailed(f"benchmark_model printed wrong figures: {contradiction}: {line!r}")
    return BenchmarkTiming(
        count=int(figures["count"]),
        init_ms=init_us / 1e3,
        min_ms=figures["min"] / 1e3,
        p5_ms=figures["p5"] / 1e3,
        median_ms=figures["median"] / 1e3,
        p95_ms=figures["p95"] / 1e3,
        max_ms=figures["max"] / 1e3,
        mean_ms=figures["avg"] / 1e3,
        std_ms=figures["std"] / 1e3,
    )


def check_flags(output: str) -> None:
    """Raises MeasureFailed if benchmark_model ignored flags: it only warns about unknown ones, and
    measures something else."""
    unknown = _UNKNOWN.search(output)
    if unknown:
        raise MeasureFailed(
            f"this benchmark_model does not know {unknown[1]}: use a newer one of LiteRT"
        )


def _figures(line: str) -> dict[str, float]:
    fields = line.removeprefix("INFO: ").replace(_ALL_SAME, "").split()
    matches = [_FIELD.fullmatch(field) for field in fields]
    figures = {match[1]: float(match[2]) for match in matches if match}
    if "curr" in figures and (_ALL_SAME in line or figures.get("count") == 1):
        figures = dict.fromkeys(_SPREAD, figures["curr"]) | {"std": 0.0} | figures
    if figures.keys() >= {"count", *_SPREAD} and not figures.keys() & set(_QUANTILES):
        raise MeasureFailed(
            "this benchmark_model prints no median: it is too old, use a newer one of LiteRT"
        )
    if None in matches or figures.keys() != {"count", *_SPREAD, *_QUANTILES}:
        raise MeasureFailed(f"benchmark_model printed a line that cannot be parsed: {line!r}")
    return figures


def _contradictions(us: dict[str, float], mean_us: float) -> Iterator[str]:
    if us["count"] < 1 or us["count"] != int(us["count"]):
        yield "the count is not a positive integer"
    if us["min"] <= 0:
        yield "the shortest run took no time"
    if not us["min"] <= us["p5"] <= us["median"] <= us["p95"] <= us["max"]:
        yield "the quantiles are not in order"
    if not us["min"] - 1 <= us["avg"] <= us["max"] + 1:
        yield "the mean is not between the shortest and the longest run"
    if not math.isclose(us["avg"], mean_us, rel_tol=_MEAN_TOLERANCE):
        yield f"the mean differs from that of the summary ({mean_us:g} us)"


def _last(lines: list[str]) -> str:
    return next((line for line in reversed(lines) if line), "")
