"""`lpnet-service retain`."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lpnet_service.cli.base import exit_on_error
from lpnet_service.errors import ServiceError, SetupError

if TYPE_CHECKING:
    from lpnet_service.services.upkeep.retention import RetentionResult

_UNITS = {"d": "days", "h": "hours"}
_MAX_DAYS = 100 * 365

OlderThan = Annotated[
    str, typer.Option("--older-than", help="Minimum age of what is deleted, like 180d or 12h.")
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Print what would be deleted, and delete nothing.")
]
Export = Annotated[
    Path | None,
    typer.Option(help="Folder to export deleted samples to, as TARGET.jsonl for `lpnet import`."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def retain(
    older_than: OlderThan, dry_run: DryRun = False, export: Export = None, as_json: Json = False
) -> None:
    """Delete old data that is no longer needed.

    This is samples of superseded epochs, disturbed samples, old readings of sentinels, and the
    campaigns, runs and LPNets that belong to them.

    Samples on which the active LPNet was trained and tested stay. The service may run meanwhile.
    """
    with exit_on_error("lpnet-service retain"):
        from lpnet_service.db.migrate import must_be_current
        from lpnet_service.services.shared.context import context
        from lpnet_service.services.upkeep import retention
        from lpnet_service.settings import from_environment

        age = duration(older_than)
        ctx = context(from_environment())
        try:
            must_be_current(ctx.db)
            before = ctx.clock.now() - age
            if dry_run:
                result = retention.preview(ctx, before)
            else:
                if export is not None:
                    export.mkdir(mode=0o700, parents=True, exist_ok=True)
                result = retention.retain(ctx, before, export)
        except ServiceError as error:
            raise SetupError(error.detail) from error
        except OSError as error:
            raise SetupError(f"--export {export}: {error}") from error
        finally:
            ctx.db.close()
    _print_result(result, dry_run, as_json)


def duration(text: str) -> timedelta:
    """Parse a number of days or hours, like `180d` or `12h`. Raises SetupError."""
    match = re.fullmatch(r"([0-9]{1,6})([dh])", text)
    if match is None:
        raise SetupError(f"--older-than: must be a number of days or hours like 180d, got {text}")
    age = timedelta(**{_UNITS[match[2]]: int(match[1])})
    if age > timedelta(days=_MAX_DAYS):
        raise SetupError(f"--older-than: must be at most {_MAX_DAYS}d, got {text}")
    return age


def _print_result(result: RetentionResult, dry_run: bool, as_json: bool) -> None:
    if as_json:
        fields = {
            "dry_run": dry_run,
            "targets": {name: asdict(removed) for name, removed in result.targets.items()},
            "tokens": result.tokens,
            "artifacts": result.artifacts,
        }
        typer.echo(json.dumps(fields))
        return
    typer.echo("would be deleted:" if dry_run else "deleted:")
    for name, removed in result.targets.items():
        for reason, count in removed.samples.items():
            typer.echo(f"  {name}  samples, {reason:<22} {count:>10,}")
        for table, count in removed.rows.items():
            typer.echo(f"  {name}  {table:<31} {count:>10,}")
    for table, count in result.tokens.items():
        typer.echo(f"  {table:<33} {count:>10,}")
    typer.echo(f"  files without an LPNet            {result.artifacts:>10,}")
