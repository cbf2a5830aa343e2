"""Curves: latency against one width of a space, on one or several targets, and advice in words."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from lpnet.schemas.base import Name, SpaceHash, Time, Widths, Wire
from lpnet.schemas.problem import Problem

MOST_TARGETS = 6
AdviceKind = Literal["multiples", "cliff", "same", "floor", "gain", "noise"]


class CurveRequest(Wire):
    """Latency at every legal value of one width."""

    targets: tuple[Name, ...] = Field(
        min_length=1, max_length=MOST_TARGETS, description="targets whose active LPNets answer"
    )
    space: SpaceHash = Field(description="content hash of the space")
    block: Annotated[str, Field(max_length=500)] | None = Field(
        default=None, description="name of a block; null: the whole network"
    )
    width: Annotated[str, Field(max_length=500)] = Field(description="name of the width to vary")
    at: Widths | None = Field(
        default=None,
        description="the other widths, by name; those left out, and null, are at their max. What "
        "it says of `width` itself does not matter",
    )
    batch: Annotated[int, Field(ge=1, le=100_000)] = Field(
        default=1, description="inferences run at once"
    )
    coverage: Annotated[float, Field(gt=0, lt=1)] = Field(
        default=0.9, description="asked coverage of the interval"
    )


class CurveLine(Wire):
    """What the LPNet says; each list has one entry per value of the response's `values`."""

    lpnet: str = Field(description="id of the LPNet that answered")
    latency_ms: tuple[float, ...] = Field(description="predicted latency, ms")
    low_ms: tuple[float, ...] = Field(description="lower ends of the intervals, ms")
    high_ms: tuple[float, ...] = Field(description="upper ends of the intervals, ms")
    envelope_ms: tuple[float, ...] = Field(
        description="after rounding up to the next fast value, linear in between, ms"
    )
    fast: tuple[bool, ...] = Field(description="no larger value is as cheap")
    too_large_from: int | None = Field(
        description="from this value on it does not fit in the target's memory; null: all fit, as "
        "far as is known"
    )


class CurvePoint(Wire):
    """A measurement on the line."""

    width: int = Field(description="value of the width")
    sample: str = Field(description="id of the sample")
    latency_ms: float = Field(description="measured median, ms")
    p10_ms: float | None = Field(description="10th percentile of its runs, ms")
    p90_ms: float | None = Field(description="90th percentile of its runs, ms")
    std_ms: float | None = Field(description="standard deviation of its runs, ms")
    held_out: bool | None = Field(description="not trained on; null: not assigned yet")
    measured_at: Time | None = Field(description="when it was measured")


class Advice(Wire):
    """A sentence about a line, and its numbers.

    `multiples`: the fast values are the multiples of `multiple` from `first` to `last`. `cliff`:
    `first` costs `ratio` times `against`, which keeps more. `same`: `first` to `last` cost the
    same. `floor`: below `keep` nothing is gained. `gain`: `first` costs `ratio` times `against`.
    `noise`: the most that any value changes is `ratio`, which is within the noise.
    """

    kind: AdviceKind = Field(description="what it says")
    text: str = Field(description="the sentence")
    keep: int | None = Field(default=None, description="value to keep")
    first: int | None = Field(default=None, description="first of the values it is about")
    last: int | None = Field(default=None, description="last of them")
    against: int | None = Field(default=None, description="value that they are compared with")
    ratio: float | None = Field(default=None, description="latency over that of `against`")
    multiple: int | None = Field(default=None, description="what to round up to")


class TargetCurve(Wire):
    """The line of one target."""

    target: Name = Field(description="target")
    problem: Problem | None = Field(
        description="why there is no line: not_found, no_lpnet, not_covered; null: there is one"
    )
    line: CurveLine | None = Field(description="what its LPNet predicts")
    points: tuple[CurvePoint, ...] = Field(
        description="undisturbed samples of the current epoch on this line, by width; of more "
        "than 5,000 the newest"
    )
    same_within_pct: float | None = Field(
        description="latencies this close count as the same: twice the noise floor, percent"
    )
    noise_floor_pct: float | None = Field(
        description="spread between sessions on the target, percent; null: unknown, and "
        "`same_within_pct` is what a quiet device would have"
    )
    advice: tuple[Advice, ...] = Field(description="what follows, most useful first")


class CurveResponse(Wire):
    """Lines over the same values, in the order of the request's targets."""

    space: SpaceHash = Field(description="content hash of the space")
    block: str | None = Field(description="name of the block; null: the whole network")
    width: str = Field(description="name of the width")
    at: Widths = Field(description="the other widths")
    batch: int = Field(description="inferences run at once")
    coverage: float = Field(description="asked coverage of the intervals")
    values: tuple[int, ...] = Field(description="every legal value of the width, ascending")
    curves: tuple[TargetCurve, ...] = Field(description="one per target")
