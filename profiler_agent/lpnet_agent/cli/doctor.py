"""`lpnet-agent doctor`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import typer

from lpnet_agent.cli.base import AsJson, Verbose
from lpnet_agent.cli.settings_options import with_settings

if TYPE_CHECKING:
    from lpnet_agent.settings import Settings


@with_settings("url", "threads", "adb", "cluster", "state_dir", "root")
def doctor(
    *,
    settings: Settings,
    url: str | None = None,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Check whether this device is fit for measuring, and print commands that fix problems.

    Changes nothing. Takes about 10 s, during which small networks are timed. Exits with status 1
    if the device is not fit for measuring.
    """
    from lpnet_agent import logs
    from lpnet_agent.doctor.examination import examine
    from lpnet_agent.doctor.report import as_data, format_report

    logs.configure(settings, verbose)
    if settings.adb is None:
        examination = examine(settings, server_required=url is not None)
    else:
        from lpnet_agent.devices.select import require_adb
        from lpnet_agent.doctor.phone_examination import examine_phone

        require_adb()
        examination = examine_phone(settings, server_required=url is not None)
    typer.echo(json.dumps(as_data(examination)) if as_json else format_report(examination))
    if not examination.fit:
        raise typer.Exit(1)
