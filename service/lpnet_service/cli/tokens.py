"""`lpnet-service token create | list | revoke`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lpnet.schemas.base import TARGET_NAME
from lpnet.schemas.token import SCOPES, Scope, Token
from lpnet.tokens import read_secret
from lpnet_service.cli.base import exit_on_error
from lpnet_service.errors import SetupError

if TYPE_CHECKING:
    from lpnet_service.services.shared.context import Context

app = typer.Typer(help="Create, list and revoke tokens.", no_args_is_help=True)

Name = Annotated[str, typer.Option("--name", help="Who or what the token is for.")]
Scopes = Annotated[
    list[str],
    typer.Option("--scope", help=f"What it allows: {', '.join(SCOPES)}. Repeatable."),
]
Device = Annotated[
    str | None, typer.Option("--device", help="Device that the token of an agent is limited to.")
]
Expires = Annotated[
    str | None,
    typer.Option(
        "--expires", help="How long it is valid: 12h, 90d, 4w.", show_default="it does not expire"
    ),
]
RequestsPerS = Annotated[
    float | None,
    typer.Option(
        "--requests-per-s", min=0.01, help="Rate limit of this token in each API process."
    ),
]
MaxBodyMib = Annotated[
    int | None,
    typer.Option("--max-body-mib", min=1, help="Largest request body of this token, MiB."),
]
SecretFile = Annotated[
    Path | None,
    typer.Option(
        "--secret-file",
        help="Read the secret, at least 32 characters, from this file. Repeating the command with "
        "the same file is harmless.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Which = Annotated[str, typer.Argument(metavar="ID|NAME", help="Id or name of the token.")]

_UNITS = {"h": "hours", "d": "days", "w": "weeks"}
_MAX_DAYS = 36_500


@app.command()
def create(
    name: Name,
    scope: Scopes,
    device: Device = None,
    expires: Expires = None,
    requests_per_s: RequestsPerS = None,
    max_body_mib: MaxBodyMib = None,
    secret_file: SecretFile = None,
) -> None:
    """Create a token and print its secret. The secret is not stored: it is shown only once."""
    with _database("lpnet-service token create") as ctx:
        from lpnet_service.services.access import tokens

        request = tokens.TokenRequest(
            name=_name("--name", name),
            scopes=_scopes(scope),
            device=None if device is None else _name("--device", device),
            lifetime=None if expires is None else duration(expires),
            requests_per_s=requests_per_s,
            max_body_mib=max_body_mib,
        )
        secret = tokens.new_secret() if secret_file is None else _read_secret(secret_file)
        token, is_new = tokens.create(ctx, request, secret)
        created = "created" if is_new else "exists already"
        typer.echo(f"token {token.name!r} ({token.id}) {created}: {_describe(token)}", err=True)
        if secret_file is None:
            typer.echo("Its secret, which is shown only once:", err=True)
            typer.echo(secret)


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """List all tokens, with revoked and expired ones."""
    with _database("lpnet-service token list") as ctx:
        from lpnet_service.services.access import tokens

        rows = tokens.list_tokens(ctx)
        if as_json:
            typer.echo(json.dumps([token.model_dump(mode="json") for token in rows], indent=2))
            return
        now = ctx.clock.now()
        for token in rows:
            is_expired = token.expires_at is not None and token.expires_at <= now
            state = "revoked" if token.revoked_at else "expired" if is_expired else "good"
            used = f"used {token.last_used_at:%Y-%m-%d %H:%M}" if token.last_used_at else "unused"
            typer.echo(f"{token.id}  {token.name}  {state}  {used}  {_describe(token)}")


@app.command()
def revoke(which: Which) -> None:
    """Revoke a token at once, and end every session that it opened."""
    with _database("lpnet-service token revoke") as ctx:
        from lpnet_service.services.access import tokens

        for token in tokens.revoke(ctx, which):
            typer.echo(f"token {token.name!r} ({token.id}) is revoked", err=True)


@contextmanager
def _database(command: str) -> Iterator[Context]:
    with exit_on_error(command):
        from lpnet_service.db.migrate import migrate
        from lpnet_service.services.shared.context import context
        from lpnet_service.settings import from_environment

        ctx = context(from_environment())
        try:
            migrate(ctx.db)
            yield ctx
        finally:
            ctx.db.close()


def duration(text: str) -> timedelta:
    """Parse a duration like `12h`, `90d` or `4w`. Raises SetupError."""
    match = re.fullmatch(r"([0-9]{1,6})([hdw])", text)
    lifetime = timedelta(**{_UNITS[match[2]]: int(match[1])}) if match else timedelta()
    if not timedelta() < lifetime <= timedelta(days=_MAX_DAYS):
        raise SetupError(f"--expires: must be a duration like 12h, 90d or 4w, got {text}")
    return lifetime


def _name(option: str, text: str) -> str:
    if not re.fullmatch(TARGET_NAME, text):
        raise SetupError(
            f"{option}: must be at most 100 letters, digits, '.', '_' and '-', and begin with a "
            f"letter or digit, got {text!r}"
        )
    return text


def _scopes(texts: list[str]) -> tuple[Scope, ...]:
    for text in texts:
        if text not in SCOPES:
            raise SetupError(f"--scope: must be one of {', '.join(SCOPES)}, got {text}")
    return tuple(scope for scope in SCOPES if scope in texts)


def _read_secret(file: Path) -> str:
    from lpnet.errors import LpnetError
    from lpnet_service.services.access.tokens import MIN_SECRET_LENGTH

    try:
        secret = read_secret(file)
    except LpnetError as error:
        raise SetupError(f"--secret-file: {error}") from error
    if len(secret) < MIN_SECRET_LENGTH:
        raise SetupError(
            f"--secret-file {file}: the secret must have at least {MIN_SECRET_LENGTH} characters"
        )
    return secret


def _describe(token: Token) -> str:
    scopes = ", ".join(token.scopes)
    device = f" of device {token.device}" if token.device else ""
    ends = f", until {token.expires_at:%Y-%m-%d %H:%M} UTC" if token.expires_at else ""
    return f"{scopes}{device}{ends}"
