"""`lpnet-agent measure`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lpnet.errors import WidthsError
from lpnet_agent.cli.base import (
    Adb,
    AsJson,
    Cluster,
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
    from lpnet_agent.offline.measure_space import Widths, Wish
    from lpnet_agent.settings import Settings
    from lpnet_agent.stop import Stop

SpaceFile = Annotated[
    Path | None, typer.Option("--space", help="File of the space to draw workloads from.")
]
OnnxFile = Annotated[
    Path | None,
    typer.Option("--onnx", help="An ONNX file to time as it is, with its own weights."),
]
Shape = Annotated[
    list[str] | None,
    typer.Option("--shape", help="With --onnx: input=1,3,224,224. Repeatable."),
]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out",
        help="File to write: samples, one JSON object per line; with --onnx (where it may be left "
        "out) what --json prints.",
    ),
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
Batch = Annotated[int | None, typer.Option(min=1, help="Inferences run at once (default: 1).")]
Force = Annotated[bool, typer.Option("--force", help="Replace a samples file.")]


def measure(
    space: SpaceFile = None,
    onnx: OnnxFile = None,
    out: Out = None,
    blocks: Blocks = None,
    networks: Networks = None,
    widths: WidthsTexts = None,
    repeats: Repeats = 0,
    seed: Seed = 0,
    batch: Batch = None,
    shape: Shape = None,
    device: Device = None,
    adb: Adb = None,
    cluster: Cluster = None,
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
    """Measure a space, or a network of your own, here or on a phone; no server is needed.

    The device's owner is asked before it begins, and no agent may use the state folder.
    """
    with reported("measure"):
        from lpnet_agent import logs
        from lpnet_agent.errors import BadSetup
        from lpnet_agent.stop import Stop

        if (space is None) == (onnx is None):
            raise BadSetup("one of --space and --onnx says what to measure")
        if out is not None:
            _check_out(out, force)
        settings = read_settings(
            device=device,
            adb=adb,
            cluster=cluster,
            threads=threads,
            runtime=runtime,
            provider=provider,
            precision=precision,
            runtime_options=option,
            fps=fps,
            state_dir=state_dir,
        )
        logs.configure(settings, verbose)
        stop = Stop()
        stop.on_signals()
        if onnx is not None:
            for name, value in {
                "blocks": blocks,
                "networks": networks,
                "widths": widths,
                "repeats": repeats,
                "seed": seed,
            }.items():
                if value:
                    raise BadSetup(f"--{name} is for a space, and not for --onnx")
            _measure_onnx(settings, onnx, batch, _shapes(shape or []), out, stop, as_json)
            return
        if shape:
            raise BadSetup("--shape is for --onnx: a space has its own")
        if space is None or out is None:
            raise BadSetup("--out names the samples file that --space is measured into")
        wish = _wish(blocks, networks, widths or [], repeats, seed, batch or 1)
        _measure_space(settings, space, out, wish, stop, as_json)


def _measure_space(
    settings: Settings, space: Path, out: Path, wish: Wish, stop: Stop, as_json: bool
) -> None:
    from lpnet_agent.offline import console
    from lpnet_agent.offline.start import measure_file

    summary = measure_file(settings, space, out, wish, stop)
    typer.echo(json.dumps(summary) if as_json else console.in_words(summary))
    if not summary["samples"] or stop.is_set():
        raise typer.Exit(1)


def _measure_onnx(
    settings: Settings,
    file: Path,
    batch: int | None,
    shapes: dict[str, tuple[int, ...]],
    out: Path | None,
    stop: Stop,
    as_json: bool,
) -> None:
    from lpnet_agent.offline import console
    from lpnet_agent.offline.start import measure_network_file

    summary = measure_network_file(settings, file, batch, shapes, stop)
    text = json.dumps(summary)
    if out is not None:
        out.write_text(text + "\n", encoding="utf-8")
    typer.echo(text if as_json else console.network_in_words(summary))


def _shapes(texts: list[str]) -> dict[str, tuple[int, ...]]:
    """`input=1,3,224,224`, by name. Raises BadSetup."""
    from lpnet_agent.errors import BadSetup

    found = {}
    for text in texts:
        name, equals, sides = text.rpartition("=")
        try:
            shape = tuple(int(side) for side in sides.split(","))
        except ValueError:
            shape = ()
        if not (name and equals and shape) or min(shape) < 1:
            raise BadSetup(f"--shape {text!r}: not a name and its sides, as input=1,3,224,224")
        found[name] = shape
    return found


def _wish(
    blocks: int | None,
    networks: int | None,
    widths: list[str],
    repeats: int,
    seed: int,
    batch: int,
) -> Wish:
    """What was asked for; nothing is drawn unasked beside widths that were given."""
    from lpnet_agent.offline.measure_space import Wish

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
