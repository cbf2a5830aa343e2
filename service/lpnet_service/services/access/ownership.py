"""Limits an agent's token to its own device.

Everything of another device is answered as if it did not exist. For callers without a device these
functions do nothing: their scopes decide.
"""

from __future__ import annotations

from collections.abc import Sequence

from lpnet.schemas.device import Registration
from lpnet.schemas.problem import FieldError
from lpnet.schemas.sample import Sample
from lpnet.schemas.workload import SpaceWorkload
from lpnet_service.errors import Forbidden, NotFound
from lpnet_service.repositories.campaigns import CampaignRepository
from lpnet_service.repositories.devices import DeviceRepository
from lpnet_service.services.access.callers import Caller
from lpnet_service.services.measuring import leasing
from lpnet_service.services.measuring.ingest import raise_if_invalid
from lpnet_service.services.shared.context import Context


def check_registration(caller: Caller, registration: Registration) -> None:
    """Allow only the caller's own device, and targets whose names begin with the device's name.

    An agent can thus neither learn nor claim the names of other devices. Raises Forbidden,
    BadRequest.
    """
    if caller.device is None:
        return
    if registration.device != caller.device:
        raise Forbidden(
            f"this token belongs to device {caller.device!r}: start the agent with --device "
            f"{caller.device}, or give it a token of its own"
        )
    prefix = f"{caller.device}-"
    raise_if_invalid(
        FieldError(field=f"targets.{index}.name", reason=f"does not begin with {prefix!r}")
        for index, target in enumerate(registration.targets)
        if not target.name.startswith(prefix)
    )


def check_agent(ctx: Context, caller: Caller, agent: str) -> None:
    """Raises NotFound for the agent of another device."""
    if caller.device is None:
        return
    with ctx.db.read() as session:
        row = DeviceRepository(session).get_agent(agent)
    if row is None or row.device != caller.device:
        raise NotFound("agent", agent)


def check_target(ctx: Context, caller: Caller, target: str) -> None:
    """Raises NotFound for a target of another device."""
    if caller.device is None:
        return
    with ctx.db.read() as session:
        row = DeviceRepository(session).get_target(target)
    if row is None or row.device != caller.device:
        raise NotFound("target", target)


def check_lease(ctx: Context, caller: Caller, token: str) -> None:
    """Raises LeaseLost for a lease of another device."""
    if caller.device is not None:
        leasing.find_job(ctx, token, device=caller.device)


def check_space(ctx: Context, caller: Caller, hash_: str) -> None:
    """Raises NotFound for a space that no campaign on the device's targets uses."""
    if caller.device is not None and hash_ not in _spaces_of(ctx, caller.device):
        raise NotFound("space", hash_)


def check_samples(ctx: Context, caller: Caller, samples: Sequence[Sample]) -> None:
    """Raises BadRequest, as for unknown spaces, if samples name spaces that no campaign on the
    device's targets uses."""
    if caller.device is None:
        return
    spaces = {
        index: sample.workload.space
        for index, sample in enumerate(samples)
        if isinstance(sample.workload, SpaceWorkload)
    }
    allowed = _spaces_of(ctx, caller.device) if spaces else frozenset()
    raise_if_invalid(
        FieldError(
            field=f"samples.{index}.workload.space",
            reason=f"there is no space {space!r}: upload it first",
        )
        for index, space in spaces.items()
        if space not in allowed
    )


def _spaces_of(ctx: Context, device: str) -> frozenset[str]:
    with ctx.db.read() as session:
        return frozenset(CampaignRepository(session).spaces_of_device(device))
