"""The latency table of a target, and the values for filtering it."""

from __future__ import annotations

from pydantic import Field

from lpnet.schemas.base import Name, SpaceHash, Time, Wire
from lpnet.schemas.sample import Draw
from lpnet.schemas.workload import Kind, Workload


class BriefConditions(Wire):
    """The main conditions of the device during a measurement; null: unknown."""

    frequency_mhz: float | None = Field(description="mean clock of the cores used, MHz")
    temperature_c: float | None = Field(description="hottest thermal zone, deg C")
    throttled: bool | None = Field(description="whether a throttle flag was set")
    load_1m: float | None = Field(description="load average over one minute")


class TableRow(Wire):
    """A measured workload of a target, with the prediction of its LPNet."""

    id: str = Field(description="id of the sample")
    epoch: int = Field(description="epoch of the target")
    kind: Kind = Field(description="block, or a whole network")
    workload: Workload = Field(description="the workload")
    space_name: str | None = Field(
        default=None, description="name of its space; null: a list of ops"
    )
    draw: Draw | None = Field(
        default=None, description="how the workload was chosen; null: unknown"
    )
    session: str | None = Field(
        default=None, description="id of the measuring process; null: unknown"
    )
    latency_ms: float = Field(description="measured median, ms")
    std_ms: float | None = Field(description="standard deviation over the runs, ms")
    min_ms: float | None = Field(default=None, description="fastest run, ms")
    p10_ms: float | None = Field(default=None, description="10th percentile, ms")
    p90_ms: float | None = Field(default=None, description="90th percentile, ms")
    count: int | None = Field(description="timed runs")
    disturbed: bool = Field(description="whether it is disturbed and not used for training")
    reasons: tuple[str, ...] = Field(default=(), description="reasons why it is disturbed")
    conditions: BriefConditions | None = Field(
        default=None, description="conditions of the device; null: unknown"
    )
    held_out: bool | None = Field(description="held out from training; null: not assigned yet")
    predicted_ms: float | None = Field(
        description="predicted latency, ms; null: no LPNet, or it does not cover the ops"
    )
    error_pct: float | None = Field(description="relative error of the prediction, percent")
    noise_floor_pct: float | None = Field(
        default=None,
        description="spread between sessions on this target, percent; smaller errors are within "
        "the noise; null: unknown",
    )
    measured_at: Time | None = Field(description="when it was measured")


class TablePage(Wire):
    """A page of a target's latency table."""

    target: Name = Field(description="target")
    epoch: int = Field(description="epoch of the rows")
    lpnet: str | None = Field(description="id of the active LPNet; null: none")
    noise_floor_pct: float | None = Field(description="spread between sessions, percent")
    noise_floor_reason: str | None = Field(
        default=None, description="why the noise floor is unknown; null: it is known"
    )
    matching: int = Field(description="number of matching rows, or a lower bound of it")
    matching_exact: bool = Field(description="false: `matching` is a lower bound")
    items: tuple[TableRow, ...] = Field(description="rows")
    next: str | None = Field(
        default=None, description="value of `after` for the next page; null: there is none"
    )
    previous: str | None = Field(
        default=None, description="value of `after` for the previous page; null: there is none"
    )


class Facet(Wire):
    """A value, and the number of rows with it."""

    value: str | None = Field(description="the value; null: rows without a value")
    samples: int = Field(description="number of rows")


class SpaceFacet(Wire):
    """A space, and the number of its rows."""

    space: SpaceHash | None = Field(description="content hash; null: lists of ops")
    name: str | None = Field(description="name, for people")
    samples: int = Field(description="number of rows")


class BlockFacet(Wire):
    """A block, and the number of its rows."""

    space: SpaceHash | None = Field(description="content hash of its space")
    block: str = Field(description="name of the block")
    samples: int = Field(description="number of rows")


class EpochFacet(Wire):
    """An epoch, and the number of its rows."""

    epoch: int = Field(description="number of the epoch")
    samples: int = Field(description="number of rows")


class Facets(Wire):
    """Values for filtering the rows of an epoch of a target, the most frequent first."""

    target: Name = Field(description="target")
    epoch: int = Field(description="epoch")
    samples: int = Field(description="number of rows")
    disturbed: int = Field(description="number of disturbed rows")
    kinds: tuple[Facet, ...] = Field(description="kinds of workload")
    draws: tuple[Facet, ...] = Field(description="draws of workloads")
    spaces: tuple[SpaceFacet, ...] = Field(description="spaces, at most 500")
    blocks: tuple[BlockFacet, ...] = Field(description="blocks, at most 500")
    more: bool = Field(description="whether there are more spaces or blocks")
    epochs: tuple[EpochFacet, ...] = Field(description="epochs of the target, the newest first")
