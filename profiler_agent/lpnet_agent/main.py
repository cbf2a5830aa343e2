"""The command `lpnet-agent`."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lpnet.errors import LpnetError, MissingExtra, WidthsError
from lpnet_agent import logs

if TYPE_CHECKING:
    from lpnet_agent.local import Widths
    from lpnet_agent.settings import Settings

app = typer.Typer(
    help="Measures networks on this machine: for an lpnet server, or into a file.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

_EXTRA = {"onnxruntime", "psutil", "cpuinfo", "pydantic_settings"}

Device = Annotated[
    str | None,
    typer.Option("--device", "--name", help="Name of this device (default: its CPU's)."),
]
Threads = Annotated[
    int | None, typer.Option("--threads", min=1, help="Threads, and cores, to measure with.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Log more.")]


@contextmanager
def _reported(command: str) -> Iterator[None]:
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


@app.command()
def run(
    server: Annotated[
        str | None,
        typer.Option(help="URL of the server (default: LPNET_URL).", show_default=False),
    ] = None,
    device: Device = None,
    threads: Threads = None,
    state_dir: Annotated[
        Path | None, typer.Option(help="Folder for what must survive this process.")
    ] = None,
    verbose: Verbose = False,
) -> None:
    """Register this device with a server and measure what it asks for, until SIGTERM or Ctrl-C."""
    logs.configure(verbose)
    with _reported("run"):
        from lpnet_agent.start import run_agent
        from lpnet_agent.stop import Stop

        settings = _settings(url=server, device=device, threads=threads, state_dir=state_dir)
        stop = Stop()
        stop.on_signals()
        run_agent(settings, stop)


@app.command()
def measure(
    space: Annotated[Path, typer.Option(help="File of the space.")],
    out: Annotated[Path, typer.Option(help="Samples file to write, one JSON object per line.")],
    blocks: Annotated[
        int | None, typer.Option(min=0, help="Blocks to draw (default: 300, or 0 with --widths).")
    ] = None,
    networks: Annotated[
        int | None,
        typer.Option(min=0, help="Whole networks to draw (default: 40, or 0 with --widths)."),
    ] = None,
    widths: Annotated[
        list[str] | None,
        typer.Option(
            help="Measure the network at these widths: a JSON object or list. Repeatable."
        ),
    ] = None,
    repeats: Annotated[
        int, typer.Option(min=0, help="Workloads to measure again in a new process.")
    ] = 0,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the draw.")] = 0,
    batch: Annotated[int, typer.Option(min=1, help="Inferences run at once.")] = 1,
    device: Device = None,
    threads: Threads = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a samples file.")] = False,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Measure a space on this machine into a samples file; no server is needed."""
    logs.configure(verbose)
    with _reported("measure"):
        from lpnet_agent import console, local
        from lpnet_agent.device_info.facts import read_facts
        from lpnet_agent.device_info.names import device_name
        from lpnet_agent.device_info.target import target_spec
        from lpnet_agent.measure import cores
        from lpnet_agent.measure.job import Measurer
        from lpnet_agent.start import setup_of
        from lpnet_agent.stop import Stop

        start = time.monotonic()
        given = tuple(_widths(text) for text in widths or ())
        wish = local.Wish(
            blocks=(0 if given else 300) if blocks is None else blocks,
            networks=(0 if given else 40) if networks is None else networks,
            widths=given,
            repeats=repeats,
            seed=seed,
            batch=batch,
        )
        _check_out(out, force)
        settings = _settings(device=device, threads=threads)
        items = local.planned(local.read_space(space), wish)
        name = device_name(read_facts(), settings.device)
        setup = setup_of(settings)
        stop = Stop()
        stop.on_signals()
        cores.leave(setup.cores)
        with (
            Measurer(setup, stop, settings.workload_timeout_s) as measurer,
            console.progress("measuring") as show,
        ):
            outcome = local.measure_space(measurer, space, items, out, wish, stop, show)
        seconds = {"timed": measurer.timed_s, "total": time.monotonic() - start}
        target = target_spec(name, setup, measurer.ready)
        summary = console.summary(out, target, outcome, seconds)
    typer.echo(json.dumps(summary) if as_json else console.in_words(summary))
    if not outcome.samples or stop.is_set():
        raise typer.Exit(1)


@app.command("list-runtimes")
def list_runtimes(as_json: AsJson = False) -> None:
    """What can execute networks here."""
    with _reported("list-runtimes"):
        from lpnet_agent.runtimes.registry import listing

        found = [asdict(entry) for entry in listing()]
    if as_json:
        typer.echo(json.dumps(found))
        return
    for entry in found:
        state = entry["version"] or "available" if entry["available"] else entry["reason"]
        typer.echo(f"{entry['name']} ({entry['provider']}): {state}")


def _settings(**given: Any) -> Settings:
    """The environment's settings, with the options that were given in front of them."""
    from pydantic import ValidationError

    from lpnet_agent.errors import BadSetup
    from lpnet_agent.settings import Settings

    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
        raise BadSetup("settings: " + "; ".join(faults)) from error


def _widths(text: str) -> Widths:
    """Widths as they are typed; the space checks what is in them."""
    try:
        found = json.loads(text)
    except ValueError as error:
        raise WidthsError(f"--widths: not JSON: {error}") from error
    if not isinstance(found, dict | list):
        raise WidthsError("--widths: a JSON object of names to channels, or a list")
    return found


def _check_out(out: Path, force: bool) -> None:
    from lpnet_agent.errors import BadSetup

    if out.is_dir() or not out.absolute().parent.is_dir():
        raise BadSetup(f"--out {out}: not a file in a folder that exists")
    if out.exists() and out.stat().st_size and not force:
        raise BadSetup(f"--out {out}: the file holds something already; --force replaces it")
