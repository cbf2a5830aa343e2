"""`lpnet-service artifacts`: the files of LPNets."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from lpnet_service.cli.base import exit_on_error

if TYPE_CHECKING:
    from lpnet_service.services.shared.context import Context

artifacts = typer.Typer(
    help="Check or move the files of LPNets. LPNET_ARTIFACTS names their store.",
    no_args_is_help=True,
)
Source = Annotated[
    str | None,
    typer.Option("--from", help="Store to move files from, if they are not in the database."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@artifacts.command()
def check(as_json: Json = False) -> None:
    """Read the file of every LPNet. Exits with 1 if one is missing, unreachable or changed."""
    with exit_on_error("lpnet-service artifacts"), _context() as ctx:
        from lpnet_service.services.shared.artifacts import check as check_artifacts

        results = [(sha256, error or "fine") for sha256, error in check_artifacts(ctx)]
    _print_results(results, as_json)


@artifacts.command()
def move(from_: Source = None, as_json: Json = False) -> None:
    """Move every file to the store of LPNET_ARTIFACTS, from the database or from --from.

    The service may run meanwhile. Files moved out of the database are deleted there after they
    were read back; files that come from --from also stay there. Exits with 1 if a file could not
    be moved.
    """
    with exit_on_error("lpnet-service artifacts"), _context() as ctx:
        from lpnet_service.artifacts.opening import open_store
        from lpnet_service.services.shared.artifacts import move as move_artifacts

        source = open_store(from_, ctx.db, ctx.clock) if from_ else ctx.artifacts
        results = list(move_artifacts(ctx, source))
    _print_results(results, as_json)


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


def _print_results(results: Sequence[tuple[str, object]], as_json: bool) -> None:
    failed = {sha256: str(result) for sha256, result in results if isinstance(result, Exception)}
    counts = Counter(result for _, result in results if isinstance(result, str))
    if as_json:
        typer.echo(json.dumps({**counts, "failed": failed}))
    else:
        for result, count in counts.items():
            typer.echo(f"{count} {result}")
        if not results:
            typer.echo("there are no LPNets")
    for message in failed.values():
        typer.echo(f"error: {message}", err=True)
    if failed:
        raise typer.Exit(1)
