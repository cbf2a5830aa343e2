"""Leases: heartbeat, completion and failure."""

from __future__ import annotations

from fastapi import APIRouter

from lpnet.schemas.campaign import Completion, Heartbeat, JobFailure, LeaseExtension
from lpnet.schemas.sample import IngestResult
from lpnet_service.api.access import DeviceAgent
from lpnet_service.api.deps import Ctx, StrictRoute, Token
from lpnet_service.api.problems import problems
from lpnet_service.services.access import ownership
from lpnet_service.services.measuring import job_completion, leasing

router = APIRouter(
    prefix="/v1/leases",
    tags=["leases"],
    route_class=StrictRoute,
    responses=problems(409, 413, 422),
)


@router.post("/{token}/heartbeat")
def heartbeat(ctx: Ctx, caller: DeviceAgent, token: Token, beat: Heartbeat) -> LeaseExtension:
    """Extend a lease. 409 `lease_lost`: stop, and post the results as samples."""
    ownership.check_lease(ctx, caller, token)
    return leasing.heartbeat(ctx, token, beat)


@router.post("/{token}/complete")
def complete(ctx: Ctx, caller: DeviceAgent, token: Token, completion: Completion) -> IngestResult:
    """Complete a job with its samples, and the reasons for failed workloads.

    Repeating it is harmless. 409 `lease_lost`: post the samples to `samples:batch` instead.
    """
    job = leasing.find_job(ctx, token, device=caller.device)
    ownership.check_samples(ctx, caller, completion.samples)
    return job_completion.complete(ctx, job, completion)


@router.post("/{token}/fail", status_code=204)
def fail(ctx: Ctx, caller: DeviceAgent, token: Token, failure: JobFailure) -> None:
    """Return a job that was not done. It is given out again, up to three times, and without limit
    if it was postponed."""
    job = leasing.find_job(ctx, token, device=caller.device)
    leasing.fail(ctx, job, failure)
