"""The command `lpnet-service`."""

from __future__ import annotations

import typer

from lpnet.cli.version import Version
from lpnet_service.cli.artifacts import artifacts
from lpnet_service.cli.base import log_to_stderr
from lpnet_service.cli.copy import backup, copy
from lpnet_service.cli.database import migrate
from lpnet_service.cli.health import healthy
from lpnet_service.cli.retain import retain
from lpnet_service.cli.serving import api, run, worker
from lpnet_service.cli.settings_help import WithSettings
from lpnet_service.cli.tokens import app as tokens

app = typer.Typer(
    help="The lpnet service: REST API, pages, database and training worker.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def lpnet_service(version: Version = False) -> None:
    log_to_stderr()


app.command(cls=WithSettings)(run)
app.command(hidden=True)(api)
app.command(cls=WithSettings)(worker)
app.command()(migrate)
app.add_typer(healthy, name="healthy")
app.add_typer(tokens, name="token")
app.command()(copy)
app.command()(backup)
app.command()(retain)
app.add_typer(artifacts, name="artifacts")
