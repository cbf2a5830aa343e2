"""Going back to an older LPNet, and comparing two versions, by REST and by command."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pytest
from fastapi.testclient import TestClient
from tests.harness.published import publish, through
from typer.testing import CliRunner

from lpnet import Client
from lpnet.cli import versions as command
from lpnet.cli.main import app
from lpnet.errors import NotFound
from lpnet.http import Http
from lpnet_service.api.app import Application

Bench = Any


def client_of(bench: Bench) -> Client:
    http = TestClient(Application(bench.ctx), raise_server_exceptions=False)
    client = Client(str(http.base_url))
    client._http = Http(str(http.base_url), transport=through(http))
    return client


def test_an_older_version_becomes_active_again(bench: Bench) -> None:
    client = client_of(bench)
    first, second = publish(bench), publish(bench)
    assert client.target(bench.target).lpnet == second.id
    for _ in range(2):
        assert client.activate(first.id).active
        assert client.target(bench.target).lpnet == first.id
    assert [info.active for info in client.lpnets(bench.target)] == [False, True]
    with pytest.raises(NotFound):
        client.activate("lpnet-" + "0" * 24)


def test_the_command_lists_activates_and_compares(
    lite_bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(lite_bench), publish(lite_bench)
    client = client_of(lite_bench)

    def connect(url: str | None, token: str | None) -> AbstractContextManager[Client]:
        return nullcontext(client)

    monkeypatch.setattr(command, "connect", connect)

    def run(*arguments: str) -> str:
        result = CliRunner().invoke(app, ["versions", lite_bench.target, *arguments])
        assert result.exit_code == 0, result.output
        return " ".join(result.output.split())

    assert "2 yes" in run()
    assert "1 yes" in run("--activate", "1")
    assert "no held-out workload in common" in run("--compare", "1", "2")
    result = CliRunner().invoke(app, ["versions", lite_bench.target, "--activate", "7"])
    assert result.exit_code == 1
    assert "has no version 7 of its LPNet; it has: 2, 1" in result.stderr
