"""Agents: who they are and what they can measure."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from lpnet.logs import fields
from lpnet.schemas.device import Registered, Registration, TargetSpec
from lpnet_service.db.rows import AgentRow, DeviceRow, TargetRow
from lpnet_service.errors import DeviceBusy, NameTaken, NotFound
from lpnet_service.ids import new_id
from lpnet_service.repositories.devices import DeviceRepository
from lpnet_service.repositories.inserts import insert_if_new
from lpnet_service.services.shared.context import Context

_ANOTHER_NAME = "choose another name for this device, by --device of lpnet-agent"


def register(ctx: Context, said: Registration) -> Registered:
    """Take in a device, its agent and its targets; repeating it changes only what changed.

    A device has one agent: whoever registers it again is that agent, restarted. An imported device
    of the same name becomes the agent's. Raises NameTaken for the device of another machine, and
    for a target of another device or of an import, DeviceBusy while another agent of it is alive.
    """
    now = ctx.clock.now()
    with ctx.db.write() as session:
        _device(session, said, now)
        agent = _agent(session, said, now, timedelta(seconds=ctx.settings.offline_s))
        for spec in said.targets:
            _target(session, said.device, spec, now)
        fields.know(agent=agent.id, device=said.device)
        return Registered(agent=agent.id)


def _device(session: Session, said: Registration, now: datetime) -> None:
    facts = said.facts.model_dump_json()
    values = {"name": said.device, "source": "agent", "facts_json": facts, "created_at": now}
    if insert_if_new(session, DeviceRow, values | {"machine": said.machine}, key="name"):
        return
    row = session.get_one(DeviceRow, said.device, with_for_update=True)
    if said.machine is not None and row.machine not in (None, said.machine):
        raise NameTaken(
            f"device {said.device!r} is another machine, or this one before the state folder of "
            f"its agent was lost: {_ANOTHER_NAME}"
        )
    row.source, row.facts_json, row.machine = "agent", facts, said.machine or row.machine


def _agent(session: Session, said: Registration, now: datetime, silence: timedelta) -> AgentRow:
    values = {
        "id": new_id("agent"),
        "device": said.device,
        "version": said.agent_version,
        "seat": said.seat,
        "last_seen_at": now,
        "created_at": now,
    }
    insert_if_new(session, AgentRow, values, key="device")
    row = DeviceRepository(session).agent_of_device(said.device)
    if row is None:
        raise NotFound("agent of device", said.device)
    # Within one seat a lock lets one agent live at a time, so a restart is served at once. Whoever
    # was last seen in the future was seen before the clock went back: nobody knows when.
    if is_other_seat(row, said.seat) and abs(now - row.last_seen_at) <= silence:
        raise DeviceBusy(said.device)
    row.version, row.last_seen_at = said.agent_version, now
    row.seat = said.seat or row.seat
    budgets = said.budgets
    row.block_s = None if budgets is None else budgets.block_s
    row.network_s = None if budgets is None else budgets.network_s
    return row


def is_other_seat(row: AgentRow, seat: str | None) -> bool:
    """Whether who speaks from this seat is another than the agent that has the device."""
    return None not in (seat, row.seat) and seat != row.seat


def _target(session: Session, device: str, spec: TargetSpec, now: datetime) -> None:
    text = spec.model_dump_json()
    values = {
        "name": spec.name,
        "device": device,
        "source": "agent",
        "spec_json": text,
        "epoch": 1,
        "created_at": now,
    }
    if insert_if_new(session, TargetRow, values, key="name"):
        return
    row = session.get_one(TargetRow, spec.name)
    if row.device != device or row.source != "agent":
        owner = "an import" if row.source == "imported" else f"device {row.device!r}"
        raise NameTaken(f"target {spec.name!r} belongs to {owner}: {_ANOTHER_NAME}")
    if TargetSpec.model_validate_json(row.spec_json) != spec:
        # Samples of one epoch were taken under the same conditions; these are others.
        row.spec_json = text
        row.open_epoch(now)
