"""Checks of what an agent needs here: a runtime, a folder, free disk space, and no other agent."""

from __future__ import annotations

import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from lpnet.installation import install_command
from lpnet_agent.doctor.finding import NOT_RECORDED, CheckContext, Finding, Subject
from lpnet_agent.errors import SetupError
from lpnet_agent.owner.limits import limits_of
from lpnet_agent.owner.owner_rules import OwnerRules
from lpnet_agent.owner.policy import OwnerPolicy
from lpnet_agent.runtimes.registry import NAMES, list_support, runtime_entry
from lpnet_agent.state import count_spooled, is_agent_running

_LOW_MIB = 1024
_TOO_LOW_MIB = 50


def folder(context: CheckContext) -> Finding:
    state = context.settings.state_dir
    subject = Subject("state folder", str(state))
    if not context.live:
        return subject.unknown(NOT_RECORDED)
    existing = _existing_folder(state)
    error = _write_error(existing)
    if error is None:
        return subject.ok("writable" if state.is_dir() else "does not exist yet; can be created")
    return subject.bad(
        f"not writable: {error}",
        f"sudo chown -R $USER {existing}    # or another folder: LPNET_AGENT_STATE_DIR",
    )


def disk(context: CheckContext) -> Finding:
    existing = _existing_folder(context.settings.state_dir)
    subject = Subject("disk", f"free space below {existing}")
    if not context.live:
        return subject.unknown(NOT_RECORDED)
    try:
        free_mib = shutil.disk_usage(existing).free >> 20
    except OSError as error:
        return subject.unknown(error.strerror or str(error))
    if free_mib >= _LOW_MIB:
        return subject.ok(f"{free_mib} MiB free")
    report = subject.bad if free_mib < _TOO_LOW_MIB else subject.caution
    return report(
        f"only {free_mib} MiB free: a sample takes about 2 KiB, a space up to a few MiB",
        f"df -h {existing}    # or another folder: LPNET_AGENT_STATE_DIR",
    )


def spooled_results(context: CheckContext) -> Finding:
    spool = context.settings.state_dir / "spool"
    subject = Subject("results on disk", str(spool))
    if not context.live:
        return subject.unknown(NOT_RECORDED)
    try:
        waiting, set_aside = (count_spooled(path) for path in (spool, spool / "set-aside"))
    except SetupError as error:
        return subject.unknown(str(error))
    observation = f"{waiting} wait for the server, {set_aside} are set aside"
    if not set_aside:
        return subject.ok(observation)
    return subject.caution(
        f"{observation}: the server refused them, or they cannot be read",
        f"head {spool}/set-aside/*.reason.txt",
    )


def other_agent(context: CheckContext) -> Finding:
    subject = Subject("another agent", str(context.settings.state_dir / "lock"))
    if not context.live:
        return subject.unknown(NOT_RECORDED)
    try:
        running = is_agent_running(context.settings.state_dir)
    except SetupError as error:
        return subject.unknown(str(error))
    if not running:
        return subject.ok("none uses this state folder")
    return subject.caution(
        "an agent uses this state folder: it and this command disturb each other",
        "systemctl status lpnet-agent    # or: pgrep -fa lpnet-agent",
    )


def owner_limits(context: CheckContext) -> Finding:
    try:
        owner = OwnerRules(limits_of(context.settings), context.settings.state_dir, context.root)
    except SetupError as error:
        return _LIMITS.bad(str(error), "unset the limit that cannot be kept")
    if not context.live:
        return _LIMITS.unknown(NOT_RECORDED)
    return check_owner(owner)


def check_owner(owner: OwnerPolicy) -> Finding:
    refusal = owner.refusal(datetime.now(UTC))
    if refusal is None:
        return _LIMITS.ok("an agent may measure now")
    return _LIMITS.caution(
        f"an agent would wait: {refusal.reason}",
        "lpnet-agent resume    # ends a pause; limits are settings of the agent",
    )


def runtime(context: CheckContext) -> Finding:
    subject = Subject("runtime", "lpnet-agent list-runtimes")
    settings = context.settings
    if not context.live:
        return subject.unknown(NOT_RECORDED)
    if settings.runtime not in NAMES:
        return subject.bad(
            f"unknown runtime {settings.runtime!r}",
            f"unset LPNET_AGENT_RUNTIME    # this agent supports {', '.join(NAMES)}",
        )
    supported = {entry.provider: entry for entry in list_support([settings.runtime])}
    support = supported.get(settings.provider)
    if support is None:
        return subject.bad(
            f"{settings.runtime} has no provider {settings.provider!r}, only "
            f"{', '.join(supported)}",
            "unset LPNET_AGENT_PROVIDER",
        )
    observation = f"{support.name} {support.version or 'of unknown version'} ({support.provider})"
    if support.reason is not None:
        remedy = subject.source
        if support.version is None:
            remedy = install_command(runtime_entry(settings.runtime).extra)
        return subject.bad(f"{observation}: {support.reason}", remedy)
    if settings.precision not in support.precisions:
        return subject.bad(
            f"{observation} has no precision {settings.precision!r} here, only "
            f"{', '.join(support.precisions)}",
            "unset LPNET_AGENT_PRECISION",
        )
    return subject.ok(f"{observation}, {settings.precision}")


_LIMITS = Subject("owner's limits", "pause, quiet hours, temperature, battery, load (settings)")


def _write_error(path: Path) -> str | None:
    try:
        with tempfile.TemporaryFile(dir=path) as file:
            file.write(b"\0" * 4096)
            file.flush()
    except OSError as error:
        return error.strerror or str(error)
    return None


def _existing_folder(path: Path) -> Path:
    """The folder itself, or the nearest of its parents that exists."""
    return next((parent for parent in (path, *path.parents) if parent.exists()), Path("/"))
