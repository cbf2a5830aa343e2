"""Campaigns, the jobs they are cut into, and the leases under which agents hold jobs."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from lpnet.schemas.base import Name, Seed, SpaceHash, Time, Wire
from lpnet.schemas.device import MachineId
from lpnet.schemas.sample import Draw, Sample
from lpnet.schemas.workload import Kind, SpaceWorkload

CampaignState = Literal["running", "done", "cancelled", "failed"]


class PlannedWorkload(Wire):
    """A workload to be measured."""

    kind: Kind = Field(description="block, or a whole network")
    workload: SpaceWorkload = Field(description="what to time")
    draw: Draw | None = Field(default=None, description="how the workload was chosen")


class NewCampaign(Wire):
    """Measure a space on a target: workloads drawn by the service, or the ones given."""

    target: Name = Field(description="target to measure on")
    space: SpaceHash = Field(description="content hash of the space")
    blocks: Annotated[int, Field(ge=0, le=100_000)] = Field(
        default=300, description="blocks to draw and measure"
    )
    networks: Annotated[int, Field(ge=0, le=100_000)] = Field(
        default=40, description="whole networks to draw and measure"
    )
    pruned: Annotated[int, Field(ge=0, le=1_000)] = Field(
        default=10,
        description="networks that a pruner chooses with a provisional LPNet once the drawn "
        "workloads are measured",
    )
    repeats: Annotated[int, Field(ge=0, le=10_000)] = Field(
        default=8, description="workloads measured again in another session: the noise floor"
    )
    seed: Seed = Field(default=0, description="seed of the draw")
    batch: Annotated[int, Field(ge=1, le=100_000)] = Field(
        default=1, description="inferences run at once"
    )
    workloads: tuple[PlannedWorkload, ...] = Field(
        default=(), max_length=100_000, description="measure exactly these instead of drawing any"
    )

    @model_validator(mode="after")
    def _asks_for_something(self) -> NewCampaign:
        if not self.workloads and self.blocks + self.networks == 0:
            raise ValueError("blocks, networks and workloads: nothing is asked for")
        for index, planned in enumerate(self.workloads):
            if planned.workload.space != self.space:
                raise ValueError(f"workloads[{index}].space is not the campaign's space")
        return self


class Campaign(Wire):
    """A request to measure, and how far it is."""

    id: str = Field(description="unique id")
    target: Name = Field(description="target it measures on")
    space: SpaceHash = Field(description="content hash of its space")
    state: CampaignState = Field(description="running, or how it ended")
    total: int = Field(description="workloads to measure")
    measured: int = Field(description="workloads that have a sample")
    disturbed: int = Field(
        default=0,
        description="those of them whose sample is disturbed, of jobs that were completed: kept, "
        "and out of training",
    )
    failed: int = Field(description="workloads that could not be measured")
    failures: tuple[str, ...] = Field(default=(), description="why, a line per kind of failure")
    samples_per_minute: float | None = Field(
        default=None,
        description="workloads measured a minute since its first job was taken, pauses included",
    )
    pace_reason: str | None = Field(
        default=None, description="why samples per minute are not known; null: they are"
    )
    seconds_left: float | None = Field(
        default=None, description="at the pace so far, s; null: unknown yet"
    )
    seconds_left_reason: str | None = Field(
        default=None, description="why the time left is not known; null: it is"
    )
    waiting: str | None = Field(
        default=None,
        description="what keeps its target from measuring; null: nothing, or it is over",
    )
    created_at: Time = Field(description="when it was asked for")
    finished_at: Time | None = Field(default=None, description="when it ended")


class LeaseRequest(Wire):
    """Ask for a job for one of these targets; answered at once, or when one comes up."""

    targets: tuple[Name, ...] = Field(
        min_length=1, max_length=100, description="targets it can measure on"
    )
    wait_s: Annotated[float, Field(ge=0, le=60)] = Field(
        default=20.0, description="how long the server may hold the request, s"
    )
    seat: MachineId | None = Field(
        default=None, description="seat that the agent registered with; null: not told apart"
    )


class LeasedItem(Wire):
    """One workload of a job. The sample made of it carries this id."""

    id: str = Field(description="id that the sample must carry")
    kind: Kind = Field(description="block, or a whole network")
    workload: SpaceWorkload = Field(description="what to time")
    draw: Draw | None = Field(default=None, description="how the workload was chosen")


class Lease(Wire):
    """A job, held until it expires."""

    token: str = Field(description="names the lease; heartbeat, complete and fail take it")
    job: str = Field(description="id of the job")
    campaign: str = Field(description="campaign the job belongs to")
    target: Name = Field(description="target to measure on")
    expires_s: float = Field(description="seconds until it expires, unless a heartbeat comes")
    fresh_session: bool = Field(
        description="measure in a new process: these workloads repeat earlier ones"
    )
    items: tuple[LeasedItem, ...] = Field(description="workloads of the job")


class Heartbeat(Wire):
    """Still at work."""

    measured: int = Field(default=0, ge=0, description="workloads of the job measured so far")


class Extended(Wire):
    """The lease goes on."""

    expires_s: float = Field(description="seconds until it expires, unless a heartbeat comes")


class ItemFailure(Wire):
    """Why a workload could not be measured."""

    item: str = Field(description="id of the leased item")
    reason: Annotated[str, Field(max_length=2000, description="what went wrong")]
    out_of_memory: bool = Field(
        default=False, description="it does not fit in the device's memory: kept as a result"
    )


class Completion(Wire):
    """The job is over: what was measured, and what could not be."""

    samples: tuple[Sample, ...] = Field(
        default=(), max_length=10_000, description="what was measured"
    )
    failures: tuple[ItemFailure, ...] = Field(
        default=(), max_length=10_000, description="what could not be measured"
    )


class JobFailure(Wire):
    """The whole job could not be done here; it goes to another agent, or comes back later."""

    reason: Annotated[str, Field(max_length=2000, description="what went wrong")]
    postponed: bool = Field(
        default=False,
        description="nothing went wrong: the agent may not measure now, or was told to stop; the "
        "job goes back without counting as an attempt",
    )


class CampaignList(Wire):
    """Campaigns, newest first."""

    items: tuple[Campaign, ...] = Field(description="the campaigns")
    next: str | None = Field(
        default=None, description="pass as `after` for the next page; null: none"
    )
    previous: str | None = Field(
        default=None, description="pass as `after` for the page before; null: none"
    )
