"""`lpnet versions`: the LPNets of a target, comparing two, and going back to one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from lpnet.cli.base import Json, TargetName, Token, Url, connect, print_json
from lpnet.cli.layout import UNKNOWN, ago, new_grid, percent, print_all, print_line
from lpnet.errors import LpnetError
from lpnet.schemas.lpnet import LPNetInfo
from lpnet.versions import KindComparison, compare_versions


def versions(
    target: TargetName,
    activate: Annotated[
        int | None,
        typer.Option(
            metavar="VERSION", help="Use this version from now on. Others stay, and can come back."
        ),
    ] = None,
    compare: Annotated[
        tuple[int, int] | None,
        typer.Option(
            metavar="VERSION VERSION", help="Compare two versions on the held-out workloads."
        ),
    ] = None,
    as_json: Json = False,
    url: Url = None,
    token: Token = None,
) -> None:
    """List the versions of a target's LPNet, compare two of them, or go back to one."""
    with connect(url, token) as client:
        if activate is not None:
            client.activate(_find(client.lpnets(target), target, activate).id)
        listed = client.lpnets(target)
        if compare is not None:
            pair = [client.residuals(_find(listed, target, number).id) for number in compare]
            kinds = compare_versions(*pair)
    if compare is not None:
        facts = [kind.facts() for kind in kinds]
        print_json(facts) if as_json else _print_comparison(compare, kinds)
    else:
        print_json(listed) if as_json else _print_versions(listed)


def _find(listed: Sequence[LPNetInfo], target: str, version: int) -> LPNetInfo:
    for info in listed:
        if info.version == version:
            return info
    numbers = ", ".join(str(info.version) for info in listed) or "none"
    raise LpnetError(f"{target} has no version {version} of its LPNet; it has: {numbers}")


def _print_versions(listed: Sequence[LPNetInfo]) -> None:
    numbers = ["epoch", "network error"]
    grid = new_grid(None, "version", "in use", *numbers, "trained", "id", numbers=numbers)
    for info in listed:
        grid.add_row(
            str(info.version),
            "yes" if info.active else "",
            str(info.epoch),
            percent(info.network_mape_pct),
            ago(info.created_at),
            info.id,
        )
    print_all(grid)


def _print_comparison(numbers: tuple[int, int], kinds: Sequence[KindComparison]) -> None:
    if not kinds:
        print_line("the two versions have no held-out workload in common")
        return
    errors = [f"error of {number}" for number in numbers]
    counts = ["workloads", *errors, "only one predicts"]
    grid = new_grid(None, "kind", *counts, "better", numbers=counts)
    for kind in kinds:
        grid.add_row(
            kind.kind,
            str(kind.workloads),
            percent(kind.first_mape_pct),
            percent(kind.second_mape_pct),
            str(kind.uncovered),
            UNKNOWN if kind.better is None else f"version {numbers[kind.better - 1]}",
        )
    print_all(grid)
    print_line(
        "One is better if its mean error is lower by more than two standard errors of the "
        "differences."
    )
