"""`lpnet fast`: which hidden size of a block is fast on a target."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from lpnet.cli.base import Json, Seed, Token, Url, connect, print_json
from lpnet.cli.hidden_sizes import COVERAGE, Block, HiddenSizes, hidden_sizes
from lpnet.cli.layout import ms, new_grid, print_all, print_line
from lpnet.errors import LpnetError, NotCovered
from lpnet.progress import terminal_progress

if TYPE_CHECKING:
    from lpnet.client import Client
    from lpnet.predictor.predictor import Predictor
    from lpnet.space.space import Space


class Kind(StrEnum):
    """Kinds of blocks."""

    conv = "conv"
    dwconv = "dwconv"
    mbconv = "mbconv"
    linear = "linear"
    ffn = "ffn"
    swiglu = "swiglu"
    attention = "attention"


def fast(
    kind: Annotated[Kind, typer.Argument(metavar="KIND", help=f"{', '.join(Kind)}.")],
    hidden: Annotated[
        str,
        typer.Option(
            metavar="LOW..HIGH",
            help="Hidden sizes: channels between the layers, or channels of all heads.",
        ),
    ],
    target: Annotated[str, typer.Option(help="Name of the target, as `lpnet targets` lists it.")],
    channels: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Channels in and out (default: HIGH for conv and attention, a sixth of it for "
            "dwconv and mbconv, 3/8 for swiglu, a quarter for linear and ffn).",
        ),
    ] = None,
    tokens: Annotated[
        int | None, typer.Option(min=1, help="Tokens of linear, ffn, swiglu and attention.")
    ] = None,
    side: Annotated[
        int | None,
        typer.Option(min=1, help="Height and width for conv, dwconv and mbconv, pixels."),
    ] = None,
    kernel: Annotated[
        int | None, typer.Option(min=1, help="Side of the kernel of convs (default: 3).")
    ] = None,
    head_dim: Annotated[
        int | None, typer.Option(min=1, help="Channels of a head of attention (default: 64).")
    ] = None,
    norm: Annotated[bool, typer.Option("--norm", help="Begin an ffn with LayerNorm.")] = False,
    squeeze: Annotated[
        bool, typer.Option("--squeeze", help="Put squeeze-excite into an mbconv.")
    ] = False,
    batch: Annotated[int, typer.Option(min=1, help="Batch size.")] = 1,
    measure: Annotated[
        bool,
        typer.Option(
            "--measure",
            help="If the LPNet of the target does not cover the block, measure it and train.",
        ),
    ] = False,
    samples: Annotated[
        int, typer.Option(min=20, help="Number of hidden sizes that --measure measures.")
    ] = 100,
    seed: Seed = 0,
    as_json: Json = False,
    url: Url = None,
    token: Token = None,
) -> None:
    """Say which hidden sizes of a block are fast on a target. No network is needed.

    The LPNet of the target predicts them. If it does not cover the block, --measure measures the
    block at different sizes and trains.
    """
    from lpnet import zoo

    block = Block.parse(
        kind.value,
        hidden,
        channels=channels,
        tokens=tokens,
        side=side,
        kernel=kernel,
        head_dim=head_dim,
        norm=norm or None,
        squeeze=squeeze or None,
        batch=batch if batch > 1 else None,
    )
    sizes = block.sizes
    with connect(url, token) as client:
        noise = client.target(target).noise_floor_pct
        space = zoo.block(kind.value, **sizes)
        predictor = _predictor(client, target, space)
        if isinstance(predictor, str):
            if not measure:
                raise LpnetError(
                    f"{predictor}; to measure the block, run {block.command(target)} --measure"
                )
            _measure(client, target, space, samples, seed)
            noise = client.target(target).noise_floor_pct
            predictor = client.predictor(target, space)
        result = hidden_sizes(predictor, block, noise)
    if as_json:
        print_json({"kind": kind.value, "target": target, "sizes": sizes, **result.facts()})
    else:
        print_sizes(block, target, result)


def _predictor(client: Client, target: str, space: Space) -> Predictor | str:
    """The predictor, or the reason why there is none."""
    if client.target(target).lpnet is None:
        return f"target {target!r} has no LPNet yet"
    try:
        predictor = client.predictor(target, space)
    except NotCovered as error:
        return str(error)
    return _too_large(space, predictor.lpnet.header.ranges) or predictor


def _too_large(space: Space, ranges: Mapping[str, tuple[float, float]]) -> str | None:
    """An LPNet knows little of layers that are larger than all that it was trained on."""
    table, dense = space.table, space.dense.astype(float)
    channels = max(table.c_in(dense).max(), table.c_out(dense).max())
    pixels = max(row.h * row.w for row in table.rows)
    for name, size in (("channels", channels), ("pixels", pixels)):
        if name in ranges and size > ranges[name][1]:
            what = "pixels or tokens" if name == "pixels" else name
            return (
                f"the LPNet was trained on at most {ranges[name][1]:.0f} {what}, and the block "
                f"has {size:.0f}"
            )
    return None


def _measure(client: Client, target: str, space: Space, samples: int, seed: int) -> None:
    # A block is its own network. Whole ones measure its parts together.
    networks = samples // 2
    with terminal_progress() as progress:
        client.profile(
            target,
            space,
            blocks=samples - networks,
            networks=networks,
            pruned=0,
            seed=seed,
            progress=progress,
        )


def print_sizes(block: Block, target: str, result: HiddenSizes) -> None:
    print_line(f"{block.title} on {target}")
    for advice in result.advice:
        print_line(advice.text)
    numbers = ["hidden", "ms", "of the largest"]
    grid = new_grid(None, *numbers, f"{COVERAGE:.0%} interval, ms", numbers=numbers)
    largest = result.fast[-1]
    for size in reversed(result.fast):
        if size.stop:
            interval = f"{ms(size.low_ms)} to {ms(size.high_ms)}"
            grid.add_row(str(size.hidden), ms(size.ms), f"{size.ms / largest.ms:.0%}", interval)
    print_all("", grid)
    print_line(
        f"Of sizes that cost the same within {result.listed_within_pct:.1f}%, only the largest is "
        "listed."
    )
