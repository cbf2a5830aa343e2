"""Curves: latency as a function of a width, on one or several targets, and advice."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from lpnet.schemas.base import Batch, Coverage, Name, SpaceHash, SpaceRef, Time, Widths, Wire
from lpnet.schemas.problem import Problem

MAX_TARGETS = 6
AdviceKind = Literal["multiples", "cliff", "same", "floor", "gain", "noise"]


class CurveRequest(Wire):
    """Latency at each legal value of a width."""

    targets: tuple[Name, ...] = Field(
        min_length=1, max_length=MAX_TARGETS, description="targets whose active LPNets predict"
    )
    space: SpaceRef = Field(description="content hash of the space, or its name if unique")
    block: Annotated[str, Field(max_length=500)] | None = Field(
        default=None, description="name of a block; null: the whole network"
    )
    width: Annotated[str, Field(max_length=500)] = Field(description="name of the width to vary")
    at: Widths | None = Field(
        default=None,
        description="the other widths, by name; missing ones, or all if null, are at their max. "
        "The value of `width` itself is ignored",
    )
    batch: Batch = Field(default=1, description="batch size")
    coverage: Coverage = Field(default=0.9, description="coverage of the interval")


class CurveLine(Wire):
    """Predictions; each list has an entry per value of the response's `values`."""

    lpnet: str = Field(description="id of the LPNet")
    latency_ms: tuple[float, ...] = Field(description="predicted latency, ms")
    low_ms: tuple[float, ...] = Field(description="lower ends of the intervals, ms")
    high_ms: tuple[float, ...] = Field(description="upper ends of the intervals, ms")
    envelope_ms: tuple[float, ...] = Field(
        description="latency after rounding up to the next fast value, linear in between, ms"
    )
    fast: tuple[bool, ...] = Field(description="whether all larger values are slower")
    too_large_from: int | None = Field(
        description="smallest value that does not fit in the target's memory; null: none is "
        "known not to fit"
    )


class CurvePoint(Wire):
    """A measured point of the curve."""

    width: int = Field(description="value of the width")
    sample: str = Field(description="id of the sample")
    latency_ms: float = Field(description="measured median, ms")
    p10_ms: float | None = Field(description="10th percentile of its runs, ms")
    p90_ms: float | None = Field(description="90th percentile of its runs, ms")
    std_ms: float | None = Field(description="standard deviation of its runs, ms")
    held_out: bool | None = Field(description="held out from training; null: not assigned yet")
    measured_at: Time | None = Field(description="when it was measured")


class Advice(Wire):
    """A statement about a curve, as text and as numbers.

    `multiples`: the fast values are the multiples of `multiple` from `first` to `last`. `cliff`:
    the latency of `first` is `ratio` times that of `against`, which keeps more channels. `same`:
    `first` to `last` have the same latency. `floor`: values below `keep` are not faster. `gain`:
    the latency of `first` is `ratio` times that of `against`. `noise`: the largest change is
    `ratio`, which is within the noise.
    """

    kind: AdviceKind = Field(description="kind of statement")
    text: str = Field(description="the statement, for people")
    keep: int | None = Field(default=None, description="value to keep")
    first: int | None = Field(default=None, description="first of the values")
    last: int | None = Field(default=None, description="last of the values")
    against: int | None = Field(default=None, description="value to compare with")
    ratio: float | None = Field(default=None, description="latency relative to that of `against`")
    multiple: int | None = Field(default=None, description="multiple to round up to")


class TargetCurve(Wire):
    """The curve of a target."""

    target: Name = Field(description="target")
    problem: Problem | None = Field(
        description="not_found, no_lpnet or not_covered; null: there is a prediction"
    )
    line: CurveLine | None = Field(description="predictions of its LPNet")
    points: tuple[CurvePoint, ...] = Field(
        description="undisturbed samples of the current epoch on this curve, by width; the newest "
        "5,000 at most"
    )
    same_within_pct: float | None = Field(
        description="smaller differences do not count: twice the noise floor, percent"
    )
    noise_floor_pct: float | None = Field(
        description="spread between sessions on the target, percent; null: unknown, and "
        "`same_within_pct` is that of a quiet device"
    )
    advice: tuple[Advice, ...] = Field(description="advice, the most useful first")


class CurveResponse(Wire):
    """Curves over the same values, in the order of the request's targets."""

    space: SpaceHash = Field(description="content hash of the space")
    block: str | None = Field(description="name of the block; null: the whole network")
    width: str = Field(description="name of the width")
    at: Widths = Field(description="the other widths")
    batch: int = Field(description="batch size")
    coverage: float = Field(description="coverage of the intervals")
    values: tuple[int, ...] = Field(description="legal values of the width, ascending")
    curves: tuple[TargetCurve, ...] = Field(description="the curves")
