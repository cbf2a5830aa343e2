"""Commands about the condition of a target: its sentinels, and clearing a pause."""

from __future__ import annotations

from typing import Annotated

import typer

from lpnet.cli import show
from lpnet.cli.base import Json, TargetName, Token, Url, connect, print_json


def sentinels(
    target: TargetName,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Maximum number of readings.")] = 40,
    as_json: Json = False,
    url: Url = None,
    token: Token = None,
) -> None:
    """Show the sentinel readings of a target, newest first.

    Sentinels are two small workloads that never change: one is bound by arithmetic, one by memory.
    Their level is measured when an epoch begins. A drift from that level means that the device has
    changed: it is hot, throttled or busy. The limit is 3%, or more if the first readings scatter
    more. Beyond it the target pauses, and it becomes broken if the drift stays.
    """
    with connect(url, token) as client:
        history = client.sentinels(target, limit)
        info = client.target(target)
        floor = client.noise_floors().get(target)
    print_json(history) if as_json else show.print_sentinels(info, history, floor)


def clear(target: TargetName, as_json: Json = False, url: Url = None, token: Token = None) -> None:
    """Accept the current sentinel readings of a paused or broken target as normal.

    The target becomes ready and a new epoch begins: its sentinels get a new level, and old samples
    are not mixed with new ones. A target that its owner paused cannot be cleared.
    """
    with connect(url, token) as client:
        info = client.clear(target)
    if as_json:
        print_json(info)
    else:
        typer.echo(f"{info.name} is ready; epoch {info.epoch} begins with a new sentinel level")
