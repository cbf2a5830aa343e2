"""The command `lpnet-agent`."""

from __future__ import annotations

import typer

from lpnet.cli.version import Version
from lpnet_agent.cli.doctor import doctor
from lpnet_agent.cli.healthy import healthy
from lpnet_agent.cli.measure import measure
from lpnet_agent.cli.owner import pause, resume, status
from lpnet_agent.cli.run import run
from lpnet_agent.cli.runtimes import list_runtimes

app = typer.Typer(
    help="Measure networks on this machine, for an lpnet server or into a file.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def lpnet_agent(version: Version = False) -> None:
    pass


app.command()(doctor)
app.command()(run)
app.command()(measure)
app.command()(pause)
app.command()(resume)
app.command()(status)
app.command()(healthy)
app.command("list-runtimes")(list_runtimes)
