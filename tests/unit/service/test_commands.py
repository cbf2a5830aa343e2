"""Commands of the service that refuse."""

from __future__ import annotations

import signal
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lpnet.installation import install_command
from lpnet_service.main import app
from lpnet_service.settings import Settings


@pytest.fixture(autouse=True)
def _process_as_before() -> Iterator[None]:
    """A command sends the logs of its process to its own standard error, and handles signals."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.2", "::", "example.org"])
def test_an_address_that_others_reach_is_refused_without_a_token(
    host: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LPNET_DATABASE_URL", f"sqlite:///{tmp_path / 'lpnet.db'}")
    result = CliRunner().invoke(app, ["run", "--host", host])
    assert result.exit_code == 1
    assert result.output.startswith(f"error: on {host} this service requires tokens")
    assert "lpnet-service token create" in result.output


@pytest.mark.parametrize("command", [["run"], ["worker"], ["migrate"]])
@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("foo", "must be the URL of a database"),
        ("postgresql://me:secret@here:port/x", "must be the URL of a database"),
        ("mysql://somewhere/else", "must be sqlite or postgresql, got 'mysql'"),
        ("sqlite+other:///x.db", "got 'sqlite+other'"),
        ("sqlite:///{tmp}/nowhere/lpnet.db", "nowhere/lpnet.db cannot be opened: unable to open"),
        ("sqlite:///{tmp}/notes.txt", "notes.txt cannot be opened: file is not a database"),
        ("postgresql://me:secret@127.0.0.1:1/x", "127.0.0.1:1/x cannot be opened: conn"),
    ],
)
def test_a_database_that_cannot_be_opened_is_one_line(
    command: list[str], url: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "notes.txt").write_text("no database " * 100)
    monkeypatch.setenv("LPNET_DATABASE_URL", url.format(tmp=tmp_path))
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 1
    assert result.stderr.startswith("error: LPNET_DATABASE_URL: ")
    assert message in result.stderr
    assert "secret" not in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_database_of_a_later_version_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(sqlite3.connect(tmp_path / "later.db")) as later, later:
        later.execute("CREATE TABLE alembic_version (version_num TEXT)")
        later.execute("INSERT INTO alembic_version VALUES ('9999')")
    monkeypatch.setenv("LPNET_DATABASE_URL", f"sqlite:///{tmp_path / 'later.db'}")
    result = CliRunner().invoke(app, ["migrate"])
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1].startswith("error: the database was made by another ver")
    assert len(result.stderr.splitlines()) == 1


def test_a_setting_that_is_wrong_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LPNET_LEASE_S", "soon")
    result = CliRunner().invoke(app, ["migrate"])
    assert result.exit_code == 1
    assert "LPNET_LEASE_S" in result.stderr


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (["api", "--url", "http://127.0.0.1:1"], "http://127.0.0.1:1"),
        (["api", "--url", "nowhere"], "nowhere"),
        (["worker"], "LPNET_WORKER_ALIVE_FILE is not set"),
        (["worker", "--file", "nowhere"], "not healthy: nowhere: No such file"),
    ],
)
def test_what_is_not_healthy_says_why(command: list[str], reason: str) -> None:
    result = CliRunner().invoke(app, ["healthy", *command])
    assert result.exit_code == 1
    assert result.stderr.startswith("error: ")
    assert reason in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_without_its_extra_a_command_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "pydantic_settings", None)
    monkeypatch.delitem(sys.modules, "lpnet_service.settings")
    result = CliRunner().invoke(app, ["migrate"])
    assert result.exit_code == 1
    assert install_command("", "lpnet-service") in result.output


@pytest.mark.parametrize("command", ["run", "worker"])
def test_the_help_lists_every_setting(command: str) -> None:
    environment = {"COLUMNS": "300", "TERMINAL_WIDTH": "300", "NO_COLOR": "1"}
    lines = CliRunner().invoke(app, [command, "--help"], env=environment).output.splitlines()
    for name, field in Settings.model_fields.items():
        (line,) = (line for line in lines if line.strip().startswith(f"LPNET_{name.upper()}: "))
        assert str(field.description) in line
        assert field.default is None or f"(default: {field.default})" in line
