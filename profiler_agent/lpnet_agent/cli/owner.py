"""`lpnet-agent pause`, `resume` and `status`, and the limits that `run` takes: for the owner."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lpnet_agent.cli.base import AsJson, StateFolder, read_settings, reported

if TYPE_CHECKING:
    from lpnet_agent.owner.pause import Pause

QuietHours = Annotated[
    list[str] | None,
    typer.Option(
        help="Measure nothing at these local times: 22:00-07:00, or mon-fri 09:00-18:00. "
        "Repeatable."
    ),
]
MaxTemperature = Annotated[
    float | None,
    typer.Option(
        "--max-temperature-c",
        help="Rest while a thermal zone is hotter, degrees C, until 5 below.",
    ),
]
MinBattery = Annotated[
    float | None,
    typer.Option("--min-battery-pct", help="Rest while the battery has less, percent."),
]
OnBattery = Annotated[
    bool | None,
    typer.Option(
        "--on-battery/--mains-only", help="Whether to measure while the battery feeds the device."
    ),
]
MaxShare = Annotated[
    float | None,
    typer.Option(help="Spend at most this share of any ten minutes measuring, 0 to 1."),
]
MaxLoad = Annotated[
    float | None,
    typer.Option(help="Rest while more processes of others want the CPU."),
]
Governor = Annotated[
    str | None,
    typer.Option(help="Set this governor on the measured cores while measuring; put it back."),
]
Turbo = Annotated[
    str | None, typer.Option(metavar="off", help="Turn turbo off while measuring; put it back.")
]


def pause(
    for_: Annotated[
        str | None, typer.Option("--for", help="How long: 90s, 30m, 2h, 1h30m, 3d.")
    ] = None,
    until: Annotated[
        str | None, typer.Option(help="Until the local clock shows this next, for example 07:00.")
    ] = None,
    reason: Annotated[
        str | None, typer.Option(help="Shown to whoever waits for measurements.")
    ] = None,
    state_dir: StateFolder = None,
) -> None:
    """Let the agent of this device rest, until `resume` if no time is given.

    A running agent stops after the workload in hand; one that starts later waits.
    """
    with reported("pause"):
        from lpnet_agent.owner.pause import PauseFile

        now = datetime.now(UTC)
        state = _state(state_dir)
        asked = _pause(for_, until, reason, now)
        PauseFile(state).write(asked)
        then = "it stops after the workload in hand"
        if not _runs(state):
            then = "one that starts there will wait"
        typer.echo(f"{asked.in_words(now)}; {_presence(state)}: {then}")


def resume(state_dir: StateFolder = None) -> None:
    """End a pause. Quiet hours and limits hold on."""
    with reported("resume"):
        from lpnet_agent.owner.pause import PauseFile

        state = _state(state_dir)
        file = PauseFile(state)
        before = file.read(datetime.now(UTC))
        file.remove()
        words = "it was not paused" if before is None else "not paused any more"
        typer.echo(f"{words}; {_presence(state)}")


def status(state_dir: StateFolder = None, as_json: AsJson = False) -> None:
    """Whether an agent runs here, whether it is paused, and what waits to be delivered."""
    with reported("status"):
        from lpnet_agent.owner.pause import PauseFile
        from lpnet_agent.state import parcels

        now = datetime.now(UTC)
        state = _state(state_dir)
        found = PauseFile(state).read(now)
        spool = state / "spool"
        running = _runs(state)
        seen = {
            "state_dir": str(state),
            "running": running is True,
            "paused": None if found is None else found.in_words(now),
            "undelivered": parcels(spool),
            "set_aside": parcels(spool / "set-aside"),
        }
        typer.echo(json.dumps(seen) if as_json else _in_words(seen, state))


def _in_words(seen: dict[str, Any], state: Path) -> str:
    lines = [_presence(state), seen["paused"] or "not paused"]
    lines.append(f"results that wait for the server: {seen['undelivered']}")
    if seen["set_aside"]:
        aside = state / "spool" / "set-aside"
        lines.append(f"results that it refused: {seen['set_aside']}, in {aside}")
    if seen["running"]:
        lines.append("what a running agent's limits or checks say is shown by lpnet targets")
    return "\n".join(lines)


def _pause(for_: str | None, until: str | None, reason: str | None, now: datetime) -> Pause:
    from lpnet_agent.errors import BadSetup
    from lpnet_agent.owner.pause import LONGEST_REASON, Pause, after, next_clock

    if for_ is not None and until is not None:
        raise BadSetup("--for and --until: give one of them")
    if reason is not None and not (reason.isprintable() and len(reason) <= LONGEST_REASON):
        raise BadSetup(f"--reason: one line of at most {LONGEST_REASON} characters")
    end = None
    if for_ is not None:
        end = after(for_, now)
    elif until is not None:
        end = next_clock(until, now)
    return Pause(until=end, reason=reason or None)


def _state(given: Path | None) -> Path:
    return read_settings(state_dir=given).state_dir


def _runs(state: Path) -> bool | None:
    from lpnet_agent.state import agent_runs

    return agent_runs(state)


def _presence(state: Path) -> str:
    running = _runs(state)
    if running is None:
        return f"no agent has ever used the folder {state}"
    return f"{'the' if running else 'no'} agent on {state} is running"
