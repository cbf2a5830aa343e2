"""The systemd unit that ships with the service."""

from __future__ import annotations

import configparser
from pathlib import Path

from typer.main import get_command

import lpnet_service
from lpnet_service.main import app

UNIT = Path(lpnet_service.__file__).parent / "deploy/lpnet-service.service"


def test_it_runs_a_command_that_exists_in_a_folder_of_its_own() -> None:
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read_string(UNIT.read_text())
    service = parser["Service"]
    program, command = service["ExecStart"].split()
    assert Path(program).name == "lpnet-service"
    assert command in get_command(app).commands  # type: ignore[attr-defined]
    assert service["WorkingDirectory"] == f"/var/lib/{service['StateDirectory']}"
    assert service["DynamicUser"] == service["NoNewPrivileges"] == "yes"


def test_its_processes_may_end_before_they_are_killed() -> None:
    # docs/operate/team.md: all of them end within 10 s.
    text = UNIT.read_text()
    assert "KillMode=mixed\n" in text
    assert "TimeoutStopSec=15s\n" in text
