"""`lpnet-service artifacts`: the files of LPNets."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from lpnet_service.cli.base import refusals

if TYPE_CHECKING:
    from lpnet_service.services.shared.context import Context

artifacts = typer.Typer(
    help="The files of LPNets: in the database, or in the store that LPNET_ARTIFACTS names.",
    no_args_is_help=True,
)
Source = Annotated[
    str | None,
    typer.Option("--from", help="Store of those that are not in the database, if another one."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@artifacts.command()
def check(as_json: Json = False) -> None:
    """Read every file of an LPNet. Exits with 1 if one is gone, out of reach or was changed."""
    with refusals("lpnet-service artifacts"), _context() as ctx:
        from lpnet_service.services.shared import artifacts as artifacts_

        found = [(sha256, error or "fine") for sha256, error in artifacts_.check(ctx)]
    _show(found, as_json)


@artifacts.command()
def move(from_: Source = None, as_json: Json = False) -> None:
    """Bring every file to the store of LPNET_ARTIFACTS: from the database, or from --from.

    The service may go on meanwhile. What is moved out of the database is deleted there once it was
    read back; what comes from elsewhere stays there too. Exits with 1 if some could not be moved.
    """
    with refusals("lpnet-service artifacts"), _context() as ctx:
        from lpnet_service.artifacts.opening import open_store
        from lpnet_service.services.shared import artifacts as artifacts_

        source = open_store(from_, ctx.db, ctx.clock) if from_ else ctx.artifacts
        found = list(artifacts_.move(ctx, source))
    _show(found, as_json)


@contextmanager
def _context() -> Iterator[Context]:
    from lpnet_service.db.migrate import must_be_current
    from lpnet_service.services.shared.context import context
    from lpnet_service.settings import from_environment

    ctx = context(from_environment())
    try:
        must_be_current(ctx.db)
        yield ctx
    finally:
        ctx.db.close()


def _show(found: Sequence[tuple[str, object]], as_json: bool) -> None:
    bad = {sha256: str(what) for sha256, what in found if isinstance(what, Exception)}
    counts = Counter(what for _, what in found if isinstance(what, str))
    if as_json:
        typer.echo(json.dumps({**counts, "failed": bad}))
    else:
        for what, count in counts.items():
            typer.echo(f"{count} {what}")
        if not found:
            typer.echo("there are none")
    for why in bad.values():
        typer.echo(f"error: {why}", err=True)
    if bad:
        raise typer.Exit(1)
