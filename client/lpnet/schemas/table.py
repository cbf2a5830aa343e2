"""The latency table of a target, and what it can be filtered by."""

from __future__ import annotations

from pydantic import Field

from lpnet.schemas.base import Name, SpaceHash, Time, Wire
from lpnet.schemas.sample import Draw
from lpnet.schemas.workload import Kind, Workload


class BriefConditions(Wire):
    """What the device was like while a sample was taken, in short; null: not read."""

    frequency_mhz: float | None = Field(description="mean clock of the cores used, MHz")
    temperature_c: float | None = Field(description="hottest thermal zone, deg C")
    throttled: bool | None = Field(description="a throttle flag was set meanwhile")
    load_1m: float | None = Field(description="load average over one minute")


class TableRow(Wire):
    """A measured workload of a target, beside what its LPNet says."""

    id: str = Field(description="id of the sample")
    epoch: int = Field(description="epoch of the target it belongs to")
    kind: Kind = Field(description="block, or a whole network")
    workload: Workload = Field(description="what was timed")
    space_name: str | None = Field(
        default=None, description="name of its space; null: its ops were given one by one"
    )
    draw: Draw | None = Field(
        default=None, description="how the workload was chosen; null: nobody recorded it"
    )
    session: str | None = Field(default=None, description="the measuring process; null: not said")
    latency_ms: float = Field(description="measured median, ms")
    std_ms: float | None = Field(description="standard deviation over the runs, ms")
    min_ms: float | None = Field(default=None, description="fastest run, ms")
    p10_ms: float | None = Field(default=None, description="10th percentile, ms")
    p90_ms: float | None = Field(default=None, description="90th percentile, ms")
    count: int | None = Field(description="timed runs")
    disturbed: bool = Field(description="disturbed; kept out of training")
    reasons: tuple[str, ...] = Field(default=(), description="why it counts as disturbed")
    conditions: BriefConditions | None = Field(
        default=None, description="what the device was like meanwhile; null: nobody recorded it"
    )
    held_out: bool | None = Field(description="not trained on; null: not assigned yet")
    predicted_ms: float | None = Field(description="null: no LPNet yet, or ops it does not cover")
    error_pct: float | None = Field(description="predicted over measured, less one, percent")
    noise_floor_pct: float | None = Field(
        default=None,
        description="spread between sessions on this target, percent; no error below it means "
        "anything; null: unknown",
    )
    measured_at: Time | None = Field(description="when it was measured")


class TablePage(Wire):
    """A page of a target's latency table."""

    target: Name = Field(description="target")
    epoch: int = Field(description="epoch that the rows are of")
    lpnet: str | None = Field(description="id of the LPNet that predicts; null: none yet")
    noise_floor_pct: float | None = Field(description="spread between sessions, percent")
    noise_floor_reason: str | None = Field(
        default=None, description="why the noise floor is unknown; null: it is known"
    )
    matching: int = Field(description="rows on all pages together, or more than so many")
    matching_exact: bool = Field(
        description="false: there are more than `matching`, which were not all counted"
    )
    items: tuple[TableRow, ...] = Field(description="rows")
    next: str | None = Field(
        default=None, description="pass as `after` for the next page; null: none"
    )
    previous: str | None = Field(
        default=None, description="pass as `after` for the page before; null: none"
    )


class Facet(Wire):
    """A value that rows have, and how many."""

    value: str | None = Field(description="the value; null: rows that have none")
    samples: int = Field(description="rows")


class SpaceFacet(Wire):
    """A space that rows are of, and how many."""

    space: SpaceHash | None = Field(description="content hash; null: ops given one by one")
    name: str | None = Field(description="name, for people")
    samples: int = Field(description="rows")


class BlockFacet(Wire):
    """A block that rows are of, and how many."""

    space: SpaceHash | None = Field(description="content hash of its space")
    block: str = Field(description="name of the block")
    samples: int = Field(description="rows")


class EpochFacet(Wire):
    """An epoch that has rows, and how many."""

    epoch: int = Field(description="number of the epoch")
    samples: int = Field(description="rows")


class Facets(Wire):
    """What the rows of an epoch of a target can be filtered by; the most frequent first."""

    target: Name = Field(description="target")
    epoch: int = Field(description="epoch that the counts are of")
    samples: int = Field(description="rows of the epoch")
    disturbed: int = Field(description="those of them that are disturbed")
    kinds: tuple[Facet, ...] = Field(description="kinds of workload")
    draws: tuple[Facet, ...] = Field(description="how workloads were chosen")
    spaces: tuple[SpaceFacet, ...] = Field(description="spaces, at most 500")
    blocks: tuple[BlockFacet, ...] = Field(description="blocks, at most 500")
    more: bool = Field(description="there are more spaces or blocks than are listed")
    epochs: tuple[EpochFacet, ...] = Field(description="epochs of the target, the newest first")
