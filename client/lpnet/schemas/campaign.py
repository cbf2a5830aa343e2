"""Campaigns, the jobs of a campaign, and the leases under which agents run jobs."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from lpnet.schemas.base import Batch, Count, Name, Seed, SpaceHash, SpaceRef, Time, Wire
from lpnet.schemas.device import MachineId
from lpnet.schemas.sample import Draw, Sample
from lpnet.schemas.workload import Kind, SpaceWorkload

CampaignState = Literal["running", "done", "cancelled", "failed"]


class PlannedWorkload(Wire):
    """A workload to measure."""

    kind: Kind = Field(description="block, or a whole network")
    workload: SpaceWorkload = Field(description="workload to time")
    draw: Draw | None = Field(default=None, description="how the workload was chosen")


class NewCampaign(Wire):
    """Measure a space on a target: workloads drawn by the service, or the listed ones."""

    target: Name = Field(description="target to measure on")
    space: SpaceRef = Field(
        description="content hash of the space; or its name if unique and no workloads are listed"
    )
    blocks: Annotated[int, Field(ge=0, le=100_000)] = Field(
        default=300, description="number of blocks to draw and measure"
    )
    networks: Annotated[int, Field(ge=0, le=100_000)] = Field(
        default=40, description="number of whole networks to draw and measure"
    )
    pruned: Annotated[int, Field(ge=0, le=1_000)] = Field(
        default=10,
        description="number of networks that a pruner chooses with a provisional LPNet, after the "
        "drawn workloads were measured",
    )
    repeats: Annotated[int, Field(ge=0, le=10_000)] = Field(
        default=16,
        description="number of workloads to measure in a second session too, for the noise floor",
    )
    seed: Seed = Field(default=0, description="seed of the draw")
    batch: Batch = Field(default=1, description="batch size")
    workloads: tuple[PlannedWorkload, ...] = Field(
        default=(), max_length=100_000, description="measure exactly these instead of drawing any"
    )

    @model_validator(mode="after")
    def _is_not_empty(self) -> NewCampaign:
        if not self.workloads and self.blocks + self.networks == 0:
            raise ValueError("blocks, networks, workloads: at least one must not be empty")
        for index, planned in enumerate(self.workloads):
            if planned.workload.space != self.space:
                raise ValueError(
                    f"workloads[{index}].space is not the campaign's space; give both by hash"
                )
        return self


class Campaign(Wire):
    """A campaign and its progress."""

    id: str = Field(description="unique id")
    target: Name = Field(description="target to measure on")
    space: SpaceHash = Field(description="content hash of its space")
    state: CampaignState = Field(
        description="state; failed: nothing was measured, or most samples of drawn workloads are "
        "disturbed"
    )
    total: int = Field(description="workloads to measure")
    measured: int = Field(description="workloads that have a sample")
    disturbed: int = Field(
        default=0,
        description="measured workloads of completed jobs whose sample is disturbed; they are "
        "kept and not used for training",
    )
    failed: int = Field(description="workloads that could not be measured")
    failures: tuple[str, ...] = Field(
        default=(), description="reasons, a line per kind of failure"
    )
    samples_per_minute: float | None = Field(
        default=None,
        description="workloads measured per minute since the first job started, pauses included",
    )
    pace_reason: str | None = Field(
        default=None, description="why samples_per_minute is unknown; null: it is known"
    )
    seconds_left: float | None = Field(
        default=None, description="estimated remaining time, s; null: unknown"
    )
    seconds_left_reason: str | None = Field(
        default=None, description="why seconds_left is unknown; null: it is known"
    )
    waiting: str | None = Field(
        default=None,
        description="why the target does not measure; null: it does, or it has ended",
    )
    created_at: Time = Field(description="when it was created")
    finished_at: Time | None = Field(default=None, description="when it ended")

    @property
    def good(self) -> int:
        """Measured workloads whose sample is not known to be disturbed."""
        return self.measured - self.disturbed


class LeaseRequest(Wire):
    """Request a job for any of these targets; the answer waits until there is a job."""

    targets: tuple[Name, ...] = Field(
        min_length=1, max_length=100, description="targets that the agent measures on"
    )
    wait_s: Annotated[float, Field(ge=0, le=60)] = Field(
        default=20.0, description="maximum time that the server waits for a job, s"
    )
    seat: MachineId | None = Field(
        default=None, description="seat that the agent registered with; null: none"
    )


class LeasedItem(Wire):
    """A workload of a job. Its sample must have the same id."""

    id: str = Field(description="id of the item and of its sample")
    kind: Kind = Field(description="block, or a whole network")
    workload: SpaceWorkload = Field(description="workload to time")
    draw: Draw | None = Field(default=None, description="how the workload was chosen")


class Lease(Wire):
    """A job that an agent holds until the lease expires."""

    token: str = Field(description="identifies the lease in heartbeat, complete and fail")
    job: str = Field(description="id of the job")
    campaign: str = Field(description="id of the campaign of the job")
    target: Name = Field(description="target to measure on")
    expires_s: float = Field(description="seconds until the lease expires without a heartbeat")
    fresh_session: bool = Field(
        description="measure in a new process, since these workloads repeat earlier ones"
    )
    items: tuple[LeasedItem, ...] = Field(description="workloads of the job")


class Heartbeat(Wire):
    """The agent still works on the job."""

    measured: Count = Field(default=0, description="workloads of the job measured so far")


class LeaseExtension(Wire):
    """The lease was extended."""

    expires_s: float = Field(description="seconds until the lease expires without a heartbeat")


class ItemFailure(Wire):
    """Why a workload could not be measured."""

    item: str = Field(description="id of the leased item")
    reason: Annotated[str, Field(max_length=2000, description="what went wrong")]
    out_of_memory: bool = Field(
        default=False,
        description="the workload does not fit in the device's memory; this is kept as a result",
    )


class Completion(Wire):
    """The results of a job."""

    samples: tuple[Sample, ...] = Field(default=(), max_length=10_000, description="samples")
    failures: tuple[ItemFailure, ...] = Field(
        default=(), max_length=10_000, description="workloads that could not be measured"
    )


class JobFailure(Wire):
    """The job could not be run; the service gives it out again later."""

    reason: Annotated[str, Field(max_length=2000, description="what went wrong")]
    postponed: bool = Field(
        default=False,
        description="there was no error: the agent must not measure now, or is stopping; the job "
        "is returned and not counted as an attempt",
    )


class CampaignList(Wire):
    """Campaigns, newest first."""

    items: tuple[Campaign, ...] = Field(description="the campaigns")
    next: str | None = Field(
        default=None, description="value of `after` for the next page; null: there is none"
    )
    previous: str | None = Field(
        default=None, description="value of `after` for the previous page; null: there is none"
    )
