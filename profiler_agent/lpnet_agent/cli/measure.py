"""`lpnet-agent measure`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lpnet.errors import WidthsError
from lpnet_agent import logs
from lpnet_agent.cli.base import (
    AsJson,
    Device,
    Fps,
    Precision,
    Provider,
    RuntimeName,
    RuntimeOptions,
    StateFolder,
    Threads,
    Verbose,
    read_settings,
    reported,
)

if TYPE_CHECKING:
    from lpnet_agent.local import Widths, Wish

SpaceFile = Annotated[Path, typer.Option("--space", help="File of the space.")]
Out = Annotated[
    Path, typer.Option("--out", help="Samples file to write, one JSON object per line.")
]
Blocks = Annotated[
    int | None, typer.Option(min=0, help="Blocks to draw (default: 300, or 0 with --widths).")
]
Networks = Annotated[
    int | None,
    typer.Option(min=0, help="Whole networks to draw (default: 40, or 0 with --widths)."),
]
WidthsTexts = Annotated[
    list[str] | None,
    typer.Option(
        "--widths", help="Measure the network at these widths: a JSON object or list. Repeatable."
    ),
]
Repeats = Annotated[int, typer.Option(min=0, help="Workloads to measure again in a new process.")]
Seed = Annotated[int, typer.Option(min=0, help="Seed of the draw.")]
Batch = Annotated[int, typer.Option(min=1, help="Inferences run at once.")]
Force = Annotated[bool, typer.Option("--force", help="Replace a samples file.")]


def measure(
    space: SpaceFile,
    out: Out,
    blocks: Blocks = None,
    networks: Networks = None,
    widths: WidthsTexts = None,
    repeats: Repeats = 0,
    seed: Seed = 0,
    batch: Batch = 1,
    device: Device = None,
    threads: Threads = None,
    runtime: RuntimeName = None,
    provider: Provider = None,
    precision: Precision = None,
    option: RuntimeOptions = None,
    fps: Fps = None,
    state_dir: StateFolder = None,
    force: Force = False,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Measure a space on this machine into a samples file; no server is needed.

    The device's owner is asked before it begins, and no agent may use the state folder.
    """
    logs.configure(verbose)
    with reported("measure"):
        from lpnet_agent import console
        from lpnet_agent.start import measure_file
        from lpnet_agent.stop import Stop

        wish = _wish(blocks, networks, widths or [], repeats, seed, batch)
        _check_out(out, force)
        settings = read_settings(
            device=device,
            threads=threads,
            runtime=runtime,
            provider=provider,
            precision=precision,
            runtime_options=option,
            fps=fps,
            state_dir=state_dir,
        )
        stop = Stop()
        stop.on_signals()
        summary = measure_file(settings, space, out, wish, stop)
        typer.echo(json.dumps(summary) if as_json else console.in_words(summary))
    if not summary["samples"] or stop.is_set():
        raise typer.Exit(1)


def _wish(
    blocks: int | None,
    networks: int | None,
    widths: list[str],
    repeats: int,
    seed: int,
    batch: int,
) -> Wish:
    """What was asked for; nothing is drawn unasked beside widths that were given."""
    from lpnet_agent.local import Wish

    given = tuple(_widths(text) for text in widths)
    return Wish(
        blocks=(0 if given else 300) if blocks is None else blocks,
        networks=(0 if given else 40) if networks is None else networks,
        widths=given,
        repeats=repeats,
        seed=seed,
        batch=batch,
    )


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
