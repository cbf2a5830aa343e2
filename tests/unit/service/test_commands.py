"""Commands of the service that refuse."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
import structlog
from typer.testing import CliRunner

from lpnet_service.main import app


@pytest.fixture(autouse=True)
def _logs_go_back() -> Iterator[None]:
    """A command sends the logs of its process to its own standard error."""
    yield
    structlog.reset_defaults()


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.2", "::", "example.org"])
def test_an_address_that_others_reach_is_refused(host: str) -> None:
    result = CliRunner().invoke(app, ["run", "--host", host])
    assert result.exit_code == 2
    assert "tokens" in result.output


@pytest.mark.parametrize("command", [["run"], ["migrate"]])
def test_a_database_of_another_kind_is_refused(
    command: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LPNET_DATABASE_URL", "mysql://somewhere/else")
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 2
    assert "LPNET_DATABASE_URL" in result.output


def test_a_setting_that_is_wrong_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LPNET_LEASE_S", "soon")
    result = CliRunner().invoke(app, ["migrate"])
    assert result.exit_code == 2
    assert "LPNET_LEASE_S" in result.output


def test_without_its_extra_a_command_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "pydantic_settings", None)
    monkeypatch.delitem(sys.modules, "lpnet_service.settings")
    result = CliRunner().invoke(app, ["migrate"])
    assert result.exit_code == 1
    assert "pip install 'lpnet[service]'" in result.output
