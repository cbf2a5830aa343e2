"""Agents: registration, leases and conditions."""

from __future__ import annotations

import asyncio
import time

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from lpnet.schemas.campaign import Lease, LeaseRequest
from lpnet.schemas.condition import ConditionReport, ConditionResponse
from lpnet.schemas.device import Registration, RegistrationResponse
from lpnet_service.api.access import DeviceAgent
from lpnet_service.api.deps import Ctx, Id, StrictRoute
from lpnet_service.api.problems import problems
from lpnet_service.api.waiting import WaitingPolls
from lpnet_service.services.access import ownership
from lpnet_service.services.measuring import agents, conditions, leasing

router = APIRouter(prefix="/v1/agents", tags=["agents"], route_class=StrictRoute)


@router.post("", responses=problems(409, 413, 422))
def register_agent(
    ctx: Ctx, caller: DeviceAgent, registration: Registration
) -> RegistrationResponse:
    """Register a device, its agent and its targets. Repeating it is harmless."""
    ownership.check_registration(caller, registration)
    return agents.register(ctx, registration)


@router.post(
    "/{id}/leases",
    response_model=Lease,
    responses=problems(404, 409, 413, 422)
    | {204: {"description": "There was no job within `wait_s`"}},
)
async def lease_job(
    ctx: Ctx, caller: DeviceAgent, id: Id, lease_request: LeaseRequest, request: Request
) -> Lease | Response:
    """Request a job; waits until there is one, and answers 204 after `wait_s`."""
    stopping: asyncio.Event = request.app.state.stopping
    polls: WaitingPolls = request.app.state.polls

    def first_look() -> Lease | None:
        ownership.check_agent(ctx, caller, id)
        leasing.check_agent(ctx, id, lease_request.targets, lease_request.seat)
        polls.sweep()
        return leasing.claim(ctx, id, lease_request.targets)

    deadline = time.monotonic() + lease_request.wait_s
    with polls.held(id, lease_request.targets, request) as poll:
        lease = await run_in_threadpool(first_look)
        while lease is None and not stopping.is_set():
            # The wait needs no thread and no connection.
            if not await poll.woken_within(deadline - time.monotonic()) or poll.gone:
                break
            lease = await run_in_threadpool(leasing.claim, ctx, id, lease_request.targets)
    return Response(status_code=204) if lease is None else lease


@router.post("/{id}/condition", responses=problems(404, 409, 413, 422))
def report_condition(
    ctx: Ctx, caller: DeviceAgent, id: Id, report: ConditionReport
) -> ConditionResponse:
    """Report the condition of a target. A paused or broken target gets no jobs."""
    ownership.check_agent(ctx, caller, id)
    return conditions.report(ctx, id, report)
