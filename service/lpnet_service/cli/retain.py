"""`lpnet-service retain`."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lpnet_service.cli.base import refusals
from lpnet_service.errors import ServiceError, SetupError

if TYPE_CHECKING:
    from lpnet_service.services.upkeep.retention import Retained

_UNITS = {"d": "days", "h": "hours"}
_MOST_DAYS = 100 * 365

OlderThan = Annotated[
    str, typer.Option("--older-than", help="Age from which things may go: 180d, or 12h.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would go; change nothing.")]
Export = Annotated[
    Path | None,
    typer.Option(
        help="Folder to write samples to before they go, as TARGET.jsonl for `lpnet import`."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def retain(
    older_than: OlderThan, dry_run: DryRun = False, export: Export = None, as_json: Json = False
) -> None:
    """Delete what is old and needed no more: samples of superseded epochs, disturbed ones, old
    readings of sentinels, and campaigns, runs and LPNets that went with them.

    What the LPNet in use was trained and is judged on stays. The service may go on meanwhile.
    """
    with refusals("lpnet-service retain"):
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
                found = retention.look(ctx, before)
            else:
                _make(export)
                found = retention.retain(ctx, before, export)
        except ServiceError as error:
            raise SetupError(error.detail) from error
        except OSError as error:
            raise SetupError(f"--export {export}: {error}") from error
        finally:
            ctx.db.close()
    _show(found, dry_run, as_json)


def duration(said: str) -> timedelta:
    """A number of days or hours, as `180d` or `12h`. SetupError."""
    found = re.fullmatch(r"([0-9]{1,6})([dh])", said)
    if found is None:
        raise SetupError(f"--older-than {said}: a number of days or hours, like 180d or 12h")
    age = timedelta(**{_UNITS[found[2]]: int(found[1])})
    if age > timedelta(days=_MOST_DAYS):
        raise SetupError(f"--older-than {said}: more than {_MOST_DAYS} days")
    return age


def _make(folder: Path | None) -> None:
    if folder is not None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def _show(found: Retained, dry_run: bool, as_json: bool) -> None:
    if as_json:
        said = {name: asdict(gone) for name, gone in found.targets.items()}
        lines = {
            "dry_run": dry_run,
            "targets": said,
            "tokens": found.tokens,
            "artifacts": found.artifacts,
        }
        typer.echo(json.dumps(lines))
        return
    typer.echo("would go:" if dry_run else "gone:")
    for name, gone in found.targets.items():
        for reason, count in gone.samples.items():
            typer.echo(f"  {name}  samples, {reason:<22} {count:>10,}")
        for table, count in gone.rows.items():
            typer.echo(f"  {name}  {table:<31} {count:>10,}")
    for table, count in found.tokens.items():
        typer.echo(f"  {table:<33} {count:>10,}")
    typer.echo(f"  files of LPNets that nobody names {found.artifacts:>10,}")
