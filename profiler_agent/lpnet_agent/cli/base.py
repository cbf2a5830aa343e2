"""What the commands of `lpnet-agent` share: options, settings, and errors in one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lpnet.errors import LpnetError, MissingExtra

if TYPE_CHECKING:
    from lpnet_agent.settings import Settings

_EXTRA = {"onnxruntime", "psutil", "cpuinfo", "pydantic_settings"}

Server = Annotated[
    str | None,
    typer.Option(help="URL of the server (default: LPNET_URL).", show_default=False),
]
Device = Annotated[
    str | None,
    typer.Option("--device", "--name", help="Name of this device (default: its CPU's)."),
]
Threads = Annotated[
    int | None, typer.Option("--threads", min=1, help="Threads, and cores, to measure with.")
]
Fps = Annotated[
    float | None,
    typer.Option("--fps", help="Inferences a second, asleep in between (default: back to back)."),
]
RuntimeName = Annotated[
    str | None,
    typer.Option("--runtime", help="What executes the networks: see list-runtimes."),
]
Provider = Annotated[
    str | None, typer.Option("--provider", help="What the runtime runs them on: cpu, cuda, ...")
]
Precision = Annotated[str | None, typer.Option("--precision", help="fp32, fp16, int8.")]
RuntimeOptions = Annotated[
    list[str] | None,
    typer.Option("--option", help="An option of the runtime: name=value. Repeatable."),
]
Adb = Annotated[
    str | None,
    typer.Option(
        "--adb",
        metavar="SERIAL",
        help="Measure on a phone over adb: its serial, or auto for the only one.",
    ),
]
Cluster = Annotated[
    str | None,
    typer.Option("--cluster", help="Cores of the phone: little, big, prime, or a list: 0-3."),
]
StateFolder = Annotated[
    Path | None, typer.Option("--state-dir", help="Folder for what must survive this process.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Log more.")]


@contextmanager
def reported(command: str) -> Iterator[None]:
    """Errors that lpnet raises on purpose end the command in one line, not in a traceback."""
    try:
        try:
            yield
        except ModuleNotFoundError as error:
            if error.name not in _EXTRA:
                raise
            raise MissingExtra(f"lpnet-agent {command}", "agent", error.name or "") from error
    except LpnetError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error


def read_settings(**given: Any) -> Settings:
    """The environment's settings, with the options that were given (not None) in front of them; a
    list becomes the setting's text.

    Raises BadSetup naming each setting that is wrong.
    """
    from pydantic import ValidationError

    from lpnet_agent.errors import BadSetup
    from lpnet_agent.settings import Settings

    try:
        words: dict[str, Any] = {
            name: ",".join(value) if isinstance(value, list) else value
            for name, value in given.items()
            if value is not None
        }
        return Settings(**words)
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
        raise BadSetup("settings: " + "; ".join(faults)) from error
