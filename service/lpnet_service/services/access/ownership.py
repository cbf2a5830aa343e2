"""What an agent's token reaches: its own device, and nothing else.

Whatever is of another device is answered as if it were not there. Other callers reach whatever
their scopes let them; these functions then do nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from lpnet.schemas.device import Registration
from lpnet.schemas.problem import FieldError
from lpnet.schemas.sample import Sample
from lpnet.schemas.workload import SpaceWorkload
from lpnet_service.db.rows import JobRow
from lpnet_service.errors import Forbidden, LeaseLost, NotFound
from lpnet_service.repositories.campaigns import CampaignRepository
from lpnet_service.repositories.devices import DeviceRepository
from lpnet_service.repositories.leases import LeaseRepository
from lpnet_service.services.access.callers import Caller
from lpnet_service.services.measuring.ingest import raise_if_invalid
from lpnet_service.services.shared.context import Context


def check_registration(caller: Caller, said: Registration) -> None:
    """An agent registers its own device, and targets whose names begin with the device's: so it
    cannot learn, nor take, the names of others. Forbidden, BadRequest."""
    if caller.device is None:
        return
    if said.device != caller.device:
        raise Forbidden(
            f"this token is of device {caller.device!r}: start the agent with --device "
            f"{caller.device}, or give it a token of its own"
        )
    start = f"{caller.device}-"
    raise_if_invalid(
        FieldError(field=f"targets.{index}.name", reason=f"does not begin with {start!r}")
        for index, target in enumerate(said.targets)
        if not target.name.startswith(start)
    )


def check_agent(ctx: Context, caller: Caller, agent: str) -> None:
    """NotFound for the agent of another device."""
    if caller.device is None:
        return
    with ctx.db.read() as session:
        row = DeviceRepository(session).get_agent(agent)
    if row is None or row.device != caller.device:
        raise NotFound("agent", agent)


def check_target(ctx: Context, caller: Caller, target: str) -> None:
    """NotFound for a target of another device."""
    if caller.device is None:
        return
    with ctx.db.read() as session:
        row = DeviceRepository(session).get_target(target)
    if row is None or row.device != caller.device:
        raise NotFound("target", target)


def check_lease(ctx: Context, caller: Caller, token: str) -> None:
    """LeaseLost for a lease of another device's target."""
    if caller.device is None:
        return
    with ctx.db.read() as session:
        job = LeaseRepository(session, JobRow).find_by_token(token)
        target = None if job is None else DeviceRepository(session).get_target(job.target)
    if target is None or target.device != caller.device:
        raise LeaseLost


def check_space(ctx: Context, caller: Caller, hash_: str) -> None:
    """NotFound for a space that no campaign on the device's targets names."""
    if caller.device is not None and hash_ not in _spaces(ctx, caller.device):
        raise NotFound("space", hash_)


def check_samples(ctx: Context, caller: Caller, samples: Sequence[Sample]) -> None:
    """Invalid, as for spaces that are not there, where samples name other spaces than those that
    campaigns on the device's targets do."""
    if caller.device is None:
        return
    named = {
        index: sample.workload.space
        for index, sample in enumerate(samples)
        if isinstance(sample.workload, SpaceWorkload)
    }
    known = _spaces(ctx, caller.device) if named else frozenset()
    raise_if_invalid(
        FieldError(
            field=f"samples.{index}.workload.space",
            reason=f"there is no space {space!r}: upload it first",
        )
        for index, space in named.items()
        if space not in known
    )


def _spaces(ctx: Context, device: str) -> frozenset[str]:
    with ctx.db.read() as session:
        return frozenset(CampaignRepository(session).spaces_of_device(device))
