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

app = typer.Typer(help="Tokens: who may do what.", no_args_is_help=True)

Name = Annotated[str, typer.Option("--name", help="Whose it is, or what it is for.")]
Scopes = Annotated[
    list[str],
    typer.Option("--scope", help=f"What it allows: {', '.join(SCOPES)}. Repeatable."),
]
Device = Annotated[
    str | None, typer.Option("--device", help="The one device that an agent's token is of.")
]
Expires = Annotated[
    str | None,
    typer.Option(
        "--expires", help="How long it is valid: 12h, 90d, 4w.", show_default="it does not expire"
    ),
]
RequestsPerS = Annotated[
    float | None,
    typer.Option("--requests-per-s", min=0.01, help="Its own rate limit, in each API process."),
]
MaxBodyMib = Annotated[
    int | None, typer.Option("--max-body-mib", min=1, help="Its own largest request body, MiB.")
]
SecretFile = Annotated[
    Path | None,
    typer.Option(
        "--secret-file",
        help="Take the secret from this file, 32 characters at least, instead of making one; "
        "repeating it is harmless.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]
Which = Annotated[str, typer.Argument(metavar="ID|NAME", help="The token.")]

_UNITS = {"h": "hours", "d": "days", "w": "weeks"}
_LONGEST_DAYS = 36_500


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
    """Make a token, and print its secret: it is not kept, so nobody can show it again."""
    with _database("lpnet-service token create") as ctx:
        from lpnet_service.services.access import tokens

        wish = tokens.TokenRequest(
            name=_name("--name", name),
            scopes=_scopes(scope),
            device=None if device is None else _name("--device", device),
            lasts=None if expires is None else duration(expires),
            requests_per_s=requests_per_s,
            max_body_mib=max_body_mib,
        )
        secret = tokens.new_secret() if secret_file is None else _secret_of(secret_file)
        token, new = tokens.create(ctx, wish, secret)
        made = "made" if new else "there already"
        typer.echo(f"token {token.name!r} ({token.id}) {made}: {_allowed(token)}", err=True)
        if secret_file is None:
            typer.echo("Its secret, which is not shown again:", err=True)
            typer.echo(secret)


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """List tokens, those that are over too. Their secrets are nowhere."""
    with _database("lpnet-service token list") as ctx:
        from lpnet_service.services.access import tokens

        found = tokens.list_tokens(ctx)
        if as_json:
            typer.echo(json.dumps([token.model_dump(mode="json") for token in found], indent=2))
            return
        now = ctx.clock.now()
        for token in found:
            over = token.expires_at is not None and token.expires_at <= now
            state = "revoked" if token.revoked_at else "expired" if over else "good"
            used = f"used {token.last_used_at:%Y-%m-%d %H:%M}" if token.last_used_at else "unused"
            typer.echo(f"{token.id}  {token.name}  {state}  {used}  {_allowed(token)}")


@app.command()
def revoke(which: Which) -> None:
    """End a token at once, and every session that it opened."""
    with _database("lpnet-service token revoke") as ctx:
        from lpnet_service.services.access import tokens

        for token in tokens.revoke(ctx, which):
            typer.echo(f"token {token.name!r} ({token.id}) is revoked", err=True)


@contextmanager
def _database(command: str) -> Iterator[Context]:
    """The database that the settings name, with all its tables."""
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
    """`12h`, `90d` or `4w` as a time. Raises SetupError for anything else."""
    match = re.fullmatch(r"([0-9]{1,6})([hdw])", text)
    lasts = timedelta(**{_UNITS[match[2]]: int(match[1])}) if match else timedelta()
    if not timedelta() < lasts <= timedelta(days=_LONGEST_DAYS):
        raise SetupError(f"--expires {text}: how long it lasts, as 12h, 90d or 4w")
    return lasts


def _name(option: str, text: str) -> str:
    if not re.fullmatch(TARGET_NAME, text):
        raise SetupError(
            f"{option} {text!r}: letters, digits, '.', '_' and '-', beginning with a letter or "
            "digit, 100 at most"
        )
    return text


def _scopes(given: list[str]) -> tuple[Scope, ...]:
    for text in given:
        if text not in SCOPES:
            raise SetupError(f"--scope {text}: one of {', '.join(SCOPES)}")
    return tuple(scope for scope in SCOPES if scope in given)


def _secret_of(file: Path) -> str:
    from lpnet.errors import LpnetError
    from lpnet_service.services.access.tokens import MIN_SECRET_LENGTH

    try:
        secret = read_secret(file)
    except LpnetError as error:
        raise SetupError(f"--secret-file: {error}") from error
    if len(secret) < MIN_SECRET_LENGTH:
        raise SetupError(f"--secret-file {file}: {MIN_SECRET_LENGTH} characters at least")
    return secret


def _allowed(token: Token) -> str:
    words = ", ".join(token.scopes)
    of = f" of device {token.device}" if token.device else ""
    ends = f", until {token.expires_at:%Y-%m-%d %H:%M} UTC" if token.expires_at else ""
    return f"{words}{of}{ends}"
