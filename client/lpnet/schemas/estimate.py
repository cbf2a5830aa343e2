"""What a campaign would be: told before anything starts."""

from __future__ import annotations

from pydantic import Field

from lpnet.schemas.base import Name, SpaceHash, Wire
from lpnet.schemas.device import TargetState
from lpnet.schemas.workload import Kind


class KindEstimate(Wire):
    """Samples of one kind that a campaign would take."""

    kind: Kind = Field(description="block, or a whole network")
    drawn: int = Field(description="workloads drawn, or asked for")
    pruned: int = Field(description="workloads that a pruner would choose later")
    repeats: int = Field(description="workloads measured again in another session")
    seconds_each: float | None = Field(
        default=None,
        description="mean wall time of a workload of this kind in this target's finished jobs, s; "
        "null: too few are known",
    )
    known_from: int = Field(
        default=0, description="workloads of finished jobs that seconds_each comes from"
    )

    @property
    def samples(self) -> int:
        """All samples of the kind."""
        return self.drawn + self.pruned + self.repeats


class Duration(Wire):
    """How long a campaign would measure, once it starts."""

    minutes: float | None = Field(
        description="estimate, min; checks of the device between jobs, pauses of the target, and "
        "what is measured again come on top; null: unknown"
    )
    source: str = Field(description="where the figure comes from, or why there is none")
    timed_minutes_at_most: float | None = Field(
        default=None,
        description="upper bound of the warm-up and the timed runs alone, by the agent's budgets, "
        "min; building networks, rests between visits, checks of the device, retries and "
        "transfers come on top; null: budgets unknown",
    )


class Reach(Wire):
    """Which part of a space the drawn workloads cover."""

    widths: int = Field(description="widths of the space")
    widths_varied: int = Field(description="widths that are drawn at two values or more")
    widths_missing: tuple[str, ...] = Field(description="names of the others")
    blocks: int = Field(description="blocks of the space")
    blocks_alone: int = Field(description="blocks that are drawn to be timed alone")
    blocks_missing: tuple[str, ...] = Field(
        description="names of the others; drawn networks time them as parts"
    )
    macs_share_low: float | None = Field(
        description="least MACs of a drawn network over dense; null: no network is drawn"
    )
    macs_share_high: float | None = Field(description="most MACs of a drawn network over dense")


class Judging(Wire):
    """Whether an LPNet of these samples could be judged."""

    networks: int = Field(
        description="networks that would be held out, those of the epoch included"
    )
    blocks: int = Field(description="blocks that would be held out, those of the epoch included")
    enough: bool = Field(description="at least ten networks are held out, and enough are left")
    detail: str = Field(description="the same in words")


class Start(Wire):
    """Whether the target would begin at once."""

    at_once: bool = Field(description="the target is ready and no job is before it")
    state: TargetState = Field(description="what the target is doing")
    jobs_before: int = Field(description="open jobs of other campaigns that go first")
    workloads_before: int = Field(description="workloads of those jobs not yet measured")
    detail: str = Field(description="the same in words")


class CampaignEstimate(Wire):
    """What a campaign would be. Nothing was started."""

    target: Name = Field(description="target it would measure on")
    space: SpaceHash = Field(description="content hash of the space")
    seed: int = Field(description="seed of the draw")
    samples: int = Field(description="samples it would take")
    jobs: int = Field(description="jobs it would be cut into, without those of a pruner")
    kinds: tuple[KindEstimate, ...] = Field(description="samples by kind")
    time: Duration = Field(description="how long it would take")
    reach: Reach = Field(description="what of the space it would cover")
    judging: Judging = Field(description="whether the result could be judged")
    start: Start = Field(description="whether it would begin at once")
