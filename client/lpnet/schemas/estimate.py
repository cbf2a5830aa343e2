"""The estimate of a campaign, before anything starts."""

from __future__ import annotations

from pydantic import Field

from lpnet.schemas.base import Name, SpaceHash, Wire
from lpnet.schemas.device import TargetState
from lpnet.schemas.workload import Kind


class KindEstimate(Wire):
    """Samples of one kind that a campaign would measure."""

    kind: Kind = Field(description="block, or a whole network")
    drawn: int = Field(description="workloads drawn, or named in the request")
    pruned: int = Field(description="workloads that a pruner would choose later")
    chosen: int = Field(
        default=0, description="workloads that would be chosen later, by what they would tell"
    )
    repeats: int = Field(description="workloads measured again in another session")
    seconds_each: float | None = Field(
        default=None,
        description="mean wall time of a workload of this kind in this target's finished jobs, s; "
        "null: there are too few",
    )
    known_from: int = Field(
        default=0, description="workloads of finished jobs that seconds_each comes from"
    )

    @property
    def samples(self) -> int:
        return self.drawn + self.pruned + self.chosen + self.repeats


class TimeEstimate(Wire):
    """The time that a campaign would take once it starts."""

    minutes: float | None = Field(
        description="estimate, min; checks of the device between jobs, pauses of the target and "
        "repeated measurements add to it; null: unknown"
    )
    source: str = Field(description="source of the estimate, or the reason why there is none")
    timed_minutes_at_most: float | None = Field(
        default=None,
        description="upper bound of the warm-up and the timed runs alone, by the agent's budgets, "
        "min; building networks, pauses between visits, checks of the device, retries and "
        "transfers add to it; null: budgets unknown",
    )


class SpaceCoverage(Wire):
    """The part of a space that the drawn workloads cover."""

    widths: int = Field(description="widths of the space")
    widths_varied: int = Field(description="widths that are drawn at two values or more")
    widths_missing: tuple[str, ...] = Field(description="names of the widths not varied")
    blocks: int = Field(description="blocks of the space")
    blocks_alone: int = Field(description="blocks that are drawn to be timed alone")
    blocks_missing: tuple[str, ...] = Field(
        description="names of the blocks not timed alone; drawn networks contain them"
    )
    macs_share_low: float | None = Field(
        description="lowest MACs of a drawn network over dense; null: no network is drawn"
    )
    macs_share_high: float | None = Field(description="highest MACs of a drawn network over dense")


class TestSetEstimate(Wire):
    """Whether there would be enough held-out samples to test an LPNet."""

    networks: int = Field(
        description="networks that would be held out, those of the epoch included"
    )
    blocks: int = Field(description="blocks that would be held out, those of the epoch included")
    enough: bool = Field(
        description="at least ten networks are held out, and enough remain to train on"
    )
    detail: str = Field(description="explanation for people")


class StartEstimate(Wire):
    """When the target would begin."""

    at_once: bool = Field(description="the target is ready and no other job is queued")
    state: TargetState = Field(description="state of the target")
    jobs_before: int = Field(description="open jobs of other campaigns that go first")
    workloads_before: int = Field(description="workloads of those jobs not yet measured")
    detail: str = Field(description="explanation for people")


class CampaignEstimate(Wire):
    """The estimate of a campaign; nothing was started."""

    target: Name = Field(description="target to measure on")
    space: SpaceHash = Field(description="content hash of the space")
    seed: int = Field(description="seed of the draw")
    samples: int = Field(description="number of samples")
    jobs: int = Field(description="number of jobs, without those of a pruner")
    kinds: tuple[KindEstimate, ...] = Field(description="samples by kind")
    time: TimeEstimate = Field(description="time")
    reach: SpaceCoverage = Field(description="part of the space that the samples cover")
    judging: TestSetEstimate = Field(description="held-out samples to test with")
    start: StartEstimate = Field(description="when it would begin")
