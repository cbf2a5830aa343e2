"""`lpnet-agent pause`, `resume` and `status`: commands for the owner of a device."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lpnet_agent.cli.base import AsJson
from lpnet_agent.cli.settings_options import with_settings

if TYPE_CHECKING:
    from lpnet_agent.owner.pause import Pause
    from lpnet_agent.settings import Settings

Duration = Annotated[
    str | None, typer.Option("--for", help="How long to pause: 90s, 30m, 2h, 1h30m, 3d.")
]
Until = Annotated[
    str | None, typer.Option(help="Pause until this local time of day, for example 07:00.")
]
Reason = Annotated[
    str | None, typer.Option(help="Reason, shown to people who wait for measurements.")
]


@with_settings("state_dir")
def pause(
    *,
    duration: Duration = None,
    until: Until = None,
    reason: Reason = None,
    settings: Settings,
) -> None:
    """Pause the agent of this device, until `resume` if no time is given.

    A running agent stops after the current workload. An agent that starts later waits.
    """
    from lpnet_agent.owner.pause import PauseFile

    now = datetime.now(UTC)
    state = settings.state_dir
    requested = _pause(duration, until, reason, now)
    PauseFile(state).write(requested)
    effect = "it stops after the current workload"
    if not _is_running(state):
        effect = "an agent that starts there will wait"
    typer.echo(f"{requested.describe(now)}; {_presence(state)}: {effect}")


@with_settings("state_dir")
def resume(*, settings: Settings) -> None:
    """End a pause. Quiet hours and limits stay in effect."""
    from lpnet_agent.owner.pause import PauseFile

    file = PauseFile(settings.state_dir)
    was_paused = file.read(datetime.now(UTC)) is not None
    file.remove()
    message = "no longer paused" if was_paused else "it was not paused"
    typer.echo(f"{message}; {_presence(settings.state_dir)}")


@with_settings("state_dir")
def status(*, settings: Settings, as_json: AsJson = False) -> None:
    """Show whether an agent runs here, whether it is paused, and which results are undelivered."""
    from lpnet_agent.owner.pause import PauseFile
    from lpnet_agent.state import count_spooled

    now = datetime.now(UTC)
    state = settings.state_dir
    current_pause = PauseFile(state).read(now)
    spool = state / "spool"
    values = {
        "state_dir": str(state),
        "running": _is_running(state) is True,
        "paused": None if current_pause is None else current_pause.describe(now),
        "undelivered": count_spooled(spool),
        "set_aside": count_spooled(spool / "set-aside"),
    }
    typer.echo(json.dumps(values) if as_json else _format_status(values, state))


def _format_status(values: dict[str, Any], state: Path) -> str:
    lines = [_presence(state), values["paused"] or "not paused"]
    lines.append(f"results waiting for the server: {values['undelivered']}")
    if values["set_aside"]:
        lines.append(
            f"results that the server refused: {values['set_aside']}, in "
            f"{state / 'spool' / 'set-aside'}"
        )
    if values["running"]:
        lines.append("`lpnet targets` shows whether a limit or a device check pauses the agent")
    return "\n".join(lines)


def _pause(duration: str | None, until: str | None, reason: str | None, now: datetime) -> Pause:
    from lpnet_agent.errors import SetupError
    from lpnet_agent.owner.pause import MAX_REASON, Pause, next_time_of_day, time_after

    if duration is not None and until is not None:
        raise SetupError("--for and --until: give only one of them")
    if reason is not None and not (reason.isprintable() and len(reason) <= MAX_REASON):
        raise SetupError(f"--reason must be one line of at most {MAX_REASON} characters")
    end = None
    if duration is not None:
        end = time_after(duration, now)
    elif until is not None:
        end = next_time_of_day(until, now)
    return Pause(until=end, reason=reason or None)


def _is_running(state: Path) -> bool | None:
    from lpnet_agent.state import is_agent_running

    return is_agent_running(state)


def _presence(state: Path) -> str:
    running = _is_running(state)
    if running is None:
        return f"no agent has ever used the folder {state}"
    return f"{'the' if running else 'no'} agent on {state} is running"
