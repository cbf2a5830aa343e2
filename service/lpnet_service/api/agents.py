"""Agents: registering, and asking for jobs."""

from __future__ import annotations

import asyncio
import time

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from lpnet.schemas.campaign import Lease, LeaseRequest
from lpnet.schemas.condition import ConditionResponse, ConditionReport
from lpnet.schemas.device import RegistrationResponse, Registration
from lpnet_service.api.access import DeviceAgent
from lpnet_service.api.deps import Ctx, Id, StrictRoute
from lpnet_service.api.problems import problems
from lpnet_service.services.access import ownership
from lpnet_service.services.measuring import agents, conditions, leasing
from lpnet_service.services.upkeep import sweeping

router = APIRouter(prefix="/v1/agents", tags=["agents"], route_class=StrictRoute)


@router.post("", responses=problems(409, 413, 422))
def register_agent(ctx: Ctx, caller: DeviceAgent, said: Registration) -> RegistrationResponse:
    """Register a device, its agent and its targets. Repeating it is harmless."""
    ownership.check_registration(caller, said)
    return agents.register(ctx, said)


@router.post(
    "/{id}/leases",
    response_model=Lease,
    responses=problems(404, 409, 413, 422) | {204: {"description": "No job came up in `wait_s`"}},
)
async def lease_job(
    ctx: Ctx, caller: DeviceAgent, id: Id, asked: LeaseRequest, request: Request
) -> Lease | Response:
    """Ask for a job: answered at once, or when one comes up, or with 204 after `wait_s`."""
    await run_in_threadpool(ownership.check_agent, ctx, caller, id)
    await run_in_threadpool(leasing.check_agent, ctx, id, asked.targets, asked.seat)
    await run_in_threadpool(sweeping.sweep, ctx)
    stopping: asyncio.Event = request.app.state.stopping
    deadline = time.monotonic() + asked.wait_s
    while not await request.is_disconnected():
        lease = await run_in_threadpool(leasing.claim, ctx, id, asked.targets)
        left = deadline - time.monotonic()
        if lease is not None:
            return lease
        if left <= 0 or stopping.is_set():
            break
        # No thread and no connection is held here: a poll costs a query now and then.
        await _pause(stopping, min(left, ctx.settings.poll_s))
    return Response(status_code=204)


@router.post("/{id}/condition", responses=problems(404, 409, 413, 422))
def report_condition(ctx: Ctx, caller: DeviceAgent, id: Id, said: ConditionReport) -> ConditionResponse:
    """Say whether a target may be measured on. One that is paused or broken is given no jobs."""
    ownership.check_agent(ctx, caller, id)
    return conditions.report(ctx, id, said)


async def _pause(stopping: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(stopping.wait(), seconds)
    except TimeoutError:
        return
