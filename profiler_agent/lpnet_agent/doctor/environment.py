"""What an agent needs of this machine: a folder, room on disk, a runtime, and to be alone."""

from __future__ import annotations

import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from lpnet_agent.doctor.finding import NOT_THIS_MACHINE, Finding, Scope, unknown
from lpnet_agent.errors import SetupError
from lpnet_agent.owner.limits import limits_of
from lpnet_agent.owner.owner_rules import OwnerRules
from lpnet_agent.runtimes.registry import NAMES, known, listing
from lpnet_agent.state import is_agent_running, count_spooled

_LOW_MIB = 1024
_TOO_LOW_MIB = 50


def folder(scope: Scope) -> Finding:
    """Whether what must survive the agent can be written."""
    name, state = "state folder", scope.settings.state_dir
    if not scope.live:
        return unknown(name, str(state), NOT_THIS_MACHINE)
    refusal = _write_fails(_standing(state))
    if refusal is None:
        made = "writable" if state.is_dir() else "not there yet, and can be made"
        return Finding(name, "ok", str(state), made)
    return Finding(
        name,
        "bad",
        str(state),
        f"cannot be written: {refusal}",
        f"sudo chown -R $USER {_standing(state)}    # or another folder: LPNET_AGENT_STATE_DIR",
    )


def disk(scope: Scope) -> Finding:
    """Whether there is room for results that wait for the server."""
    name, state = "disk", scope.settings.state_dir
    looked = f"free space below {_standing(state)}"
    if not scope.live:
        return unknown(name, looked, NOT_THIS_MACHINE)
    try:
        free = shutil.disk_usage(_standing(state)).free >> 20
    except OSError as error:
        return unknown(name, looked, f"unknown: {error.strerror}")
    if free >= _LOW_MIB:
        return Finding(name, "ok", looked, f"{free} MiB free")
    return Finding(
        name,
        "bad" if free < _TOO_LOW_MIB else "attend",
        looked,
        f"only {free} MiB free: a sample takes about 2 KiB, a space up to some MiB",
        f"df -h {_standing(state)}    # or another folder: LPNET_AGENT_STATE_DIR",
    )


def waiting(scope: Scope) -> Finding:
    """Whether results wait for the server, or could not be delivered at all."""
    name, spool = "results on disk", scope.settings.state_dir / "spool"
    if not scope.live:
        return unknown(name, str(spool), NOT_THIS_MACHINE)
    try:
        waits, aside = (count_spooled(place) for place in (spool, spool / "set-aside"))
    except SetupError as error:
        return unknown(name, str(spool), str(error))
    words = f"{waits} parcels wait for the server, {aside} set aside"
    if not aside:
        return Finding(name, "ok", str(spool), words)
    return Finding(
        name,
        "attend",
        str(spool),
        f"{words}: the server refused them, or they cannot be read",
        f"head {spool}/set-aside/*.reason.txt",
    )


def alone(scope: Scope) -> Finding:
    """Whether an agent is at work here already."""
    name, lock = "another agent", scope.settings.state_dir / "lock"
    if not scope.live:
        return unknown(name, str(lock), NOT_THIS_MACHINE)
    try:
        running = is_agent_running(scope.settings.state_dir)
    except SetupError as error:
        return unknown(name, str(lock), str(error))
    if not running:
        return Finding(name, "ok", str(lock), "none runs with this state folder")
    return Finding(
        name,
        "attend",
        str(lock),
        "one runs with this state folder: it and this command disturb each other",
        "systemctl status lpnet-agent    # or: pgrep -fa lpnet-agent",
    )


def permitted(scope: Scope) -> Finding:
    """Whether the owner's limits let an agent measure now, and can be kept here."""
    name, looked = "owner's limits", "pause, quiet hours, heat, battery, load (settings)"
    state = scope.settings.state_dir
    try:
        owner = OwnerRules(limits_of(scope.settings), state, scope.root)
    except SetupError as error:
        return Finding(name, "bad", looked, str(error), "unset the limit that cannot be kept")
    if not scope.live:
        return unknown(name, looked, NOT_THIS_MACHINE)
    refusal = owner.refusal(datetime.now(UTC))
    if refusal is None:
        return Finding(name, "ok", looked, "an agent may measure now")
    return Finding(
        name,
        "attend",
        looked,
        f"an agent would wait: {refusal.reason}",
        "lpnet-agent resume    # ends a pause; limits are settings of the agent",
    )


def runtime(scope: Scope) -> Finding:
    """Whether there is something to execute networks with."""
    name, looked = "runtime", "lpnet-agent list-runtimes"
    if not scope.live:
        return unknown(name, looked, NOT_THIS_MACHINE)
    asked = scope.settings
    if asked.runtime not in NAMES:
        return Finding(
            name,
            "bad",
            looked,
            f"{asked.runtime!r} is asked for, and unknown to this agent",
            f"unset LPNET_AGENT_RUNTIME    # known: {', '.join(NAMES)}",
        )
    found = {entry.provider: entry for entry in listing([asked.runtime])}
    wanted = found.get(asked.provider)
    if wanted is None:
        words = f"{asked.runtime} knows no provider {asked.provider!r}: {', '.join(found)}"
        return Finding(name, "bad", looked, words, "unset LPNET_AGENT_PROVIDER")
    words = f"{wanted.name} {wanted.version or 'of unknown version'} ({wanted.provider})"
    if wanted.reason is not None:
        extra = known(asked.runtime).extra
        remedy = f"pip install 'lpnet[{extra}]'" if wanted.version is None else looked
        return Finding(name, "bad", looked, f"{words}: {wanted.reason}", remedy)
    if asked.precision not in wanted.precisions:
        there = ", ".join(wanted.precisions)
        words = f"{words} has no precision {asked.precision!r} here: {there}"
        return Finding(name, "bad", looked, words, "unset LPNET_AGENT_PRECISION")
    return Finding(name, "ok", looked, f"{words}, {asked.precision}")


def _write_fails(place: Path) -> str | None:
    """Why no file can be written in a folder, or None; leaves nothing behind."""
    try:
        with tempfile.TemporaryFile(dir=place) as file:
            file.write(b"\0" * 4096)
            file.flush()
    except OSError as error:
        return error.strerror or str(error)
    return None


def _standing(path: Path) -> Path:
    """The folder itself, or the nearest one above it that exists."""
    return next((place for place in (path, *path.parents) if place.exists()), Path("/"))
