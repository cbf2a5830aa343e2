"""`lpnet-agent measure`."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lpnet.errors import WidthsError
from lpnet_agent.cli.base import AsJson, Verbose
from lpnet_agent.cli.settings_options import TARGET_SETTINGS, with_settings

if TYPE_CHECKING:
    from lpnet.stop import Stop
    from lpnet_agent.offline.measure_space import MeasurePlan, Widths
    from lpnet_agent.offline.network_file import NetworkOptions
    from lpnet_agent.settings import Settings

SpaceFile = Annotated[
    Path | None, typer.Option("--space", help="Space file to draw workloads from.")
]
OnnxFile = Annotated[
    Path | None,
    typer.Option("--onnx", help="ONNX file of one network, measured as it is."),
]
Shape = Annotated[
    list[str] | None,
    typer.Option("--shape", help="Shape of an input of --onnx: input=1x3x224x224. Repeatable."),
]
ZeroSubnormals = Annotated[
    bool,
    typer.Option("--zero-subnormals", help="Measure --onnx with its subnormal weights at zero."),
]
WriteZeroed = Annotated[
    Path | None,
    typer.Option(
        "--write-zeroed",
        help="Also write the network of --onnx to this file, with its subnormal weights at zero.",
    ),
]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out",
        help="File to write: with --space, samples as one JSON object per line; with --onnx "
        "(optional), the output of --json.",
    ),
]
Blocks = Annotated[
    int | None,
    typer.Option(min=0, help="Number of blocks to draw (default: 300, or 0 with --widths)."),
]
Networks = Annotated[
    int | None,
    typer.Option(min=0, help="Number of networks to draw (default: 40, or 0 with --widths)."),
]
WidthsTexts = Annotated[
    list[str] | None,
    typer.Option(
        "--widths",
        help="Also measure the network at these widths: a JSON object or list. Repeatable.",
    ),
]
Repeats = Annotated[
    int, typer.Option(min=0, help="Number of workloads to measure again in a second session.")
]
Seed = Annotated[int, typer.Option(min=0, help="Random seed of the draw.")]
Batch = Annotated[int | None, typer.Option(min=1, help="Batch size (default: 1).")]
KeepGoing = Annotated[
    bool,
    typer.Option("--keep-going", help="Measure --space on even if most samples are disturbed."),
]
Force = Annotated[bool, typer.Option("--force", help="Overwrite an existing output file.")]


@with_settings(*TARGET_SETTINGS)
def measure(
    *,
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
    zero_subnormals: ZeroSubnormals = False,
    write_zeroed: WriteZeroed = None,
    settings: Settings,
    keep_going: KeepGoing = False,
    force: Force = False,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Measure a space, or one ONNX network, on this machine or a phone, without a server.

    Does not start while the owner's limits forbid measuring, or while an agent uses the state
    folder.
    """
    from lpnet.stop import Stop
    from lpnet_agent import logs
    from lpnet_agent.errors import SetupError

    if (space is None) == (onnx is None):
        raise SetupError("give either --space or --onnx")
    if out is not None:
        _check_out("--out", out, force)
    logs.configure(settings, verbose)
    stop = Stop()
    stop.on_signals()
    if onnx is not None:
        from lpnet_agent.offline.network_file import NetworkOptions

        for name, value in {
            "blocks": blocks,
            "networks": networks,
            "widths": widths,
            "repeats": repeats,
            "seed": seed,
            "keep-going": keep_going,
        }.items():
            if value:
                raise SetupError(f"--{name} needs --space and cannot be combined with --onnx")
        if write_zeroed is not None:
            _check_out("--write-zeroed", write_zeroed, force)
        shapes = _parse_shapes(shape or [])
        options = NetworkOptions(batch, shapes, zero_subnormals, write_zeroed)
        _measure_onnx(settings, onnx, options, out, stop, as_json)
        return
    if shape:
        raise SetupError("--shape needs --onnx: a space contains its input shape")
    if zero_subnormals or write_zeroed is not None:
        option = "--zero-subnormals" if zero_subnormals else "--write-zeroed"
        raise SetupError(f"{option} needs --onnx: a space has no weights")
    if space is None or out is None:
        raise SetupError("--space needs --out, the file to write samples to")
    plan = replace(
        _plan(blocks, networks, widths or [], repeats, seed, batch or 1),
        repeat_pause_s=settings.repeat_pause_s,
        keep_going=keep_going,
    )
    _measure_space(settings, space, out, plan, stop, as_json)


def _measure_space(
    settings: Settings, space: Path, out: Path, plan: MeasurePlan, stop: Stop, as_json: bool
) -> None:
    from lpnet_agent.offline import summaries
    from lpnet_agent.offline.start import measure_space_file

    summary = measure_space_file(settings, space, out, plan, stop)
    typer.echo(json.dumps(summary) if as_json else summaries.format_space(summary))
    if not summary["samples"] or summary["too_disturbed"] or stop.is_set():
        raise typer.Exit(1)


def _measure_onnx(
    settings: Settings,
    file: Path,
    options: NetworkOptions,
    out: Path | None,
    stop: Stop,
    as_json: bool,
) -> None:
    from lpnet_agent.offline import summaries
    from lpnet_agent.offline.start import measure_network_file

    summary = measure_network_file(settings, file, options, stop)
    text = json.dumps(summary)
    if out is not None:
        out.write_text(text + "\n", encoding="utf-8")
    typer.echo(text if as_json else summaries.format_network(summary))
    if (advice := summaries.subnormal_advice(summary)) is not None:
        typer.echo(advice, err=as_json)


def _parse_shapes(texts: list[str]) -> dict[str, tuple[int, ...]]:
    """Shapes by input name, from texts such as `input=1x3x224x224` or `input=1,3,224,224`."""
    from lpnet_agent.errors import SetupError

    shapes = {}
    for text in texts:
        name, equals, sizes = text.rpartition("=")
        try:
            shape = tuple(int(size) for size in re.split("[x,]", sizes))
        except ValueError:
            shape = ()
        if not (name and equals and shape) or min(shape) < 1:
            raise SetupError(f"--shape {text!r}: write a name and its sizes, as input=1x3x224x224")
        shapes[name] = shape
    return shapes


def _plan(
    blocks: int | None,
    networks: int | None,
    widths: list[str],
    repeats: int,
    seed: int,
    batch: int,
) -> MeasurePlan:
    """By default nothing is drawn if widths are given."""
    from lpnet_agent.offline.measure_space import MeasurePlan

    fixed_widths = tuple(_parse_widths(text) for text in widths)
    return MeasurePlan(
        blocks=(0 if fixed_widths else 300) if blocks is None else blocks,
        networks=(0 if fixed_widths else 40) if networks is None else networks,
        widths=fixed_widths,
        repeats=repeats,
        seed=seed,
        batch=batch,
    )


def _parse_widths(text: str) -> Widths:
    """Parse JSON; the space checks names and values later."""
    try:
        widths = json.loads(text)
    except ValueError as error:
        raise WidthsError(f"--widths: not JSON: {error}") from error
    if not isinstance(widths, dict | list):
        raise WidthsError("--widths must be a JSON object of names to channels, or a list")
    return widths


def _check_out(option: str, out: Path, force: bool) -> None:
    from lpnet_agent.errors import SetupError

    if out.is_dir() or not out.absolute().parent.is_dir():
        raise SetupError(f"{option} {out}: must be a file in an existing folder")
    if out.exists() and out.stat().st_size and not force:
        raise SetupError(f"{option} {out}: the file is not empty; --force overwrites it")
