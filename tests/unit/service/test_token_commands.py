"""`lpnet-service token`: what its commands print and refuse."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from typer.testing import CliRunner

from lpnet_service.main import app

Run = Callable[..., Any]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    monkeypatch.setenv("LPNET_DATABASE_URL", f"sqlite:///{tmp_path / 'lpnet.db'}")
    yield lambda *options: CliRunner().invoke(app, ["token", *map(str, options)])
    structlog.reset_defaults()


def test_a_token_is_shown_once_listed_and_revoked(run: Run) -> None:
    created = run("create", "--name", "ana", "--scope", "train", "--scope", "predict", "--expires",
               "90d", "--requests-per-s", "5", "--max-body-mib", "8")  # fmt: skip
    assert created.exit_code == 0, created.output
    secret = created.stdout.strip()
    assert secret.startswith("lpnet_")
    assert secret not in created.stderr
    plain, listed = run("list").output, run("list", "--json")
    (token,) = json.loads(listed.stdout)
    assert (token["name"], token["scopes"], token["device"]) == ("ana", ["predict", "train"], None)
    assert (token["requests_per_s"], token["max_body_mib"]) == (5.0, 8)
    assert "good" in plain
    assert secret not in plain + listed.output
    assert run("revoke", "ana").exit_code == 0
    assert "revoked" in run("list").output
    again = run("revoke", "ana")
    assert again.exit_code == 1
    assert again.stderr.startswith("error: no token 'ana'")


def test_creating_a_token_from_a_file_can_be_repeated(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("k" * 32 + "\n")
    options = (
        "create",
        "--name",
        "box",
        "--scope",
        "agent",
        "--device",
        "box",
        "--secret-file",
        file,
    )
    for outcome in ("created", "exists already"):
        done = run(*options)
        assert (done.exit_code, done.stdout) == (0, ""), done.output
        assert outcome in done.stderr
        assert "k" * 32 not in done.output
    assert len(json.loads(run("list", "--json").stdout)) == 1
    file.write_text("k" * 31)
    assert "32 characters" in run(*options).stderr
    file.write_text("")
    assert "must hold a token" in run(*options).stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--name", "a", "--scope", "root"), "--scope: must be one of agent, samples"),
        (("--name", "a b", "--scope", "admin"), "got 'a b'"),
        (("--name", "a", "--scope", "agent"), "--device"),
        (("--name", "a", "--scope", "agent", "--device", "../x"), "got '../x'"),
        (("--name", "a", "--scope", "train", "--expires", "soon"), "got soon"),
        (("--name", "a", "--scope", "train", "--expires", "0d"), "got 0d"),
        (("--name", "a", "--scope", "train", "--expires", "999999w"), "got 999999w"),
        (("--name", "a", "--scope", "train", "--secret-file", "/nowhere"), "--secret-file"),
    ],
)
def test_an_error_is_one_line(run: Run, options: tuple[str, ...], message: str) -> None:
    done = run("create", *options)
    assert done.exit_code == 1
    assert done.stderr.startswith("error: ")
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert json.loads(run("list", "--json").stdout) == []
