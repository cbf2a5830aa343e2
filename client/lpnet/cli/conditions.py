"""Commands about the condition of a target: how its sentinels do, and clearing it."""

from __future__ import annotations

from typing import Annotated

import typer

from lpnet.cli import show
from lpnet.cli.base import Json, TargetName, Token, Url, connect, print_json


def sentinels(
    target: TargetName,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Readings to show.")] = 40,
    as_json: Json = False,
    url: Url = None,
    token: Token = None,
) -> None:
    """Show how the sentinels of a target have been doing, newest first.

    They are two small workloads that never change, one bound by arithmetic and one by memory. A
    drift past the limit, 3% unless their first readings scatter more, from the level that they
    had when the epoch began says that the device is not the one it was: hot, throttled or busy.
    The target then pauses, and is broken if it stays so.
    """
    with connect(url, token) as client:
        found = client.sentinels(target, limit)
        about = client.target(target)
    print_json(found) if as_json else show.sentinels(about, found)


def clear(target: TargetName, as_json: Json = False, url: Url = None, token: Token = None) -> None:
    """Say that what a target measures now is normal, which its sentinels paused or broke.

    What its owner paused has not drifted, and is not cleared. A target that is cleared is ready
    again, in a new epoch: its sentinels find a new level, and samples from before are not mixed
    with those from now on.
    """
    with connect(url, token) as client:
        found = client.clear(target)
    if as_json:
        print_json(found)
    else:
        typer.echo(f"{found.name} is ready; epoch {found.epoch} begins, with a level of its own")
