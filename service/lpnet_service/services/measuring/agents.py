"""Agents: who they are and what they can measure."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from lpnet.logs import fields
from lpnet.schemas.device import Registration, RegistrationResponse, TargetSpec
from lpnet_service.db.retrying import retried
from lpnet_service.db.rows import AgentRow, DeviceRow, TargetRow
from lpnet_service.errors import DeviceBusy, NameTaken, NotFound
from lpnet_service.ids import new_id
from lpnet_service.repositories.devices import DeviceRepository
from lpnet_service.repositories.inserts import insert_if_new
from lpnet_service.services.shared.context import Context

_CHOOSE_ANOTHER_NAME = "choose another name for this device, by --device of lpnet-agent"


@retried
def register(ctx: Context, registration: Registration) -> RegistrationResponse:
    """Store a device, its agent and its targets. Repeating it updates what changed.

    A device has one agent: a repeated registration means that this agent was restarted. An
    imported device of the same name becomes the agent's. Raises NameTaken for a device of another
    machine and for a target of another device or of an import, DeviceBusy while another agent of
    the device is alive.
    """
    now = ctx.clock.now()
    silence = timedelta(seconds=ctx.settings.offline_s)
    with ctx.db.write() as session:
        _put_device(session, registration, now)
        agent = _put_agent(session, registration, now, silence)
        for spec in registration.targets:
            _put_target(session, registration.device, spec, now)
        fields.bind(agent=agent.id, device=registration.device)
        return RegistrationResponse(agent=agent.id)


def _put_device(session: Session, registration: Registration, now: datetime) -> None:
    facts = registration.facts.model_dump_json()
    values = {
        "name": registration.device,
        "source": "agent",
        "facts_json": facts,
        "machine": registration.machine,
        "created_at": now,
    }
    if insert_if_new(session, DeviceRow, values, key="name"):
        return
    row = session.get_one(DeviceRow, registration.device, with_for_update={"key_share": True})
    if registration.machine is not None and row.machine not in (None, registration.machine):
        raise NameTaken(
            f"device {registration.device!r} is registered for another machine, or the state "
            f"folder of its agent was lost: {_CHOOSE_ANOTHER_NAME}"
        )
    row.source, row.facts_json = "agent", facts
    row.machine = registration.machine or row.machine


def _put_agent(
    session: Session, registration: Registration, now: datetime, silence: timedelta
) -> AgentRow:
    values = {
        "id": new_id("agent"),
        "device": registration.device,
        "version": registration.agent_version,
        "seat": registration.seat,
        "last_seen_at": now,
        "created_at": now,
    }
    insert_if_new(session, AgentRow, values, key="device")
    row = DeviceRepository(session).agent_of_device(registration.device)
    if row is None:
        raise NotFound("agent of device", registration.device)
    # An agent of the same seat is a restart: a lock in its state folder lets one run at a time.
    # A last contact in the future was before the clock was set back; nobody knows how long ago.
    if is_other_seat(row, registration.seat) and abs(now - row.last_seen_at) <= silence:
        raise DeviceBusy(registration.device)
    row.version, row.last_seen_at = registration.agent_version, now
    row.seat = registration.seat or row.seat
    budgets = registration.budgets
    row.block_s = None if budgets is None else budgets.block_s
    row.network_s = None if budgets is None else budgets.network_s
    row.targets_json = json.dumps([target.name for target in registration.targets])
    return row


def is_other_seat(agent: AgentRow, seat: str | None) -> bool:
    return None not in (seat, agent.seat) and seat != agent.seat


def _put_target(session: Session, device: str, spec: TargetSpec, now: datetime) -> None:
    spec_json = spec.model_dump_json()
    values = {
        "name": spec.name,
        "device": device,
        "source": "agent",
        "spec_json": spec_json,
        "epoch": 1,
        "created_at": now,
    }
    if insert_if_new(session, TargetRow, values, key="name"):
        return
    row = session.get_one(TargetRow, spec.name)
    if row.device != device or row.source != "agent":
        owner = "an import" if row.source == "imported" else f"device {row.device!r}"
        raise NameTaken(f"target {spec.name!r} belongs to {owner}: {_CHOOSE_ANOTHER_NAME}")
    if TargetSpec.model_validate_json(row.spec_json) != spec:
        # All samples of an epoch were measured under the same conditions.
        row.spec_json = spec_json
        row.open_epoch(now)
