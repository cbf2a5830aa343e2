"""`lpnet-agent doctor`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from lpnet_agent.cli.base import (
    Adb,
    AsJson,
    Cluster,
    Server,
    StateFolder,
    Threads,
    Verbose,
    read_settings,
    reported,
)

Root = Annotated[
    Path | None,
    typer.Option(
        hidden=True, exists=True, file_okay=False, help="A recorded machine to examine instead."
    ),
]


def doctor(
    server: Server = None,
    threads: Threads = None,
    adb: Adb = None,
    cluster: Cluster = None,
    state_dir: StateFolder = None,
    root: Root = None,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Say what is wrong with this device for measuring, and what to run about it.

    Changes nothing. Takes about 10 s, in which a small network is timed. Exit status 1 if the
    device is not fit for measuring.
    """
    with reported("doctor"):
        from lpnet_agent import logs
        from lpnet_agent.doctor.examine import examine
        from lpnet_agent.doctor.text import as_data, in_words

        settings = read_settings(
            url=server,
            threads=threads,
            adb=adb,
            cluster=cluster,
            state_dir=state_dir,
            root=root,
        )
        logs.configure(settings, verbose)
        if settings.adb is None:
            found = examine(settings, server_asked=server is not None)
        else:
            from lpnet_agent.devices.select import check_phones
            from lpnet_agent.doctor.phone import examine_phone

            check_phones()
            found = examine_phone(settings, server_asked=server is not None)
    typer.echo(json.dumps(as_data(found)) if as_json else in_words(found))
    if not found.fit:
        raise typer.Exit(1)
