"""`lpnet-agent pause`, `resume` and `status` on folders with and without an agent."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lpnet_agent.main import app
from lpnet_agent.owner.pause import PauseFile
from lpnet_agent.state import StateDir


def said(state: Path, *words: str, status: int = 0) -> str:
    done = CliRunner().invoke(app, [*words, "--state-dir", str(state)])
    assert done.exit_code == status, done.output
    return done.output.strip()


def test_a_pause_waits_for_an_agent_to_come(tmp_path: Path) -> None:
    state = tmp_path / "none yet"
    assert said(state, "resume") == (
        f"it was not paused; no agent has ever used the folder {state}"
    )
    assert said(state, "pause", "--reason", "backups run") == (
        f"paused by its owner: backups run; no agent has ever used the folder {state}: an "
        "agent that starts there will wait"
    )
    with StateDir(state):
        assert said(state, "pause") == (
            f"paused by its owner; the agent on {state} is running: it stops after the "
            "current workload"
        )
        assert said(state, "resume") == f"no longer paused; the agent on {state} is running"
    assert said(state, "resume") == f"it was not paused; no agent on {state} is running"
    assert PauseFile(state).read(datetime.now(UTC)) is None


def test_a_pause_ends_when_it_was_said_to(tmp_path: Path) -> None:
    before = datetime.now(UTC)
    said(tmp_path, "pause", "--for", "1h30m")
    after = datetime.now(UTC)
    pause = PauseFile(tmp_path).read(after)
    assert pause is not None
    assert pause.until is not None
    assert before <= pause.until - timedelta(minutes=90) <= after
    assert "paused until 07:00 by its owner" in said(tmp_path, "pause", "--until", "07:00")


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--for", "soon"], "--for 'soon'"),
        (["--until", "soon"], "--until 'soon'"),
        (["--for", "2h", "--until", "07:00"], "give only one of them"),
        (["--reason", "x" * 201], "--reason"),
        (["--reason", "two\nlines"], "--reason"),
    ],
)
def test_what_cannot_be_meant_pauses_nothing(tmp_path: Path, words: list[str], why: str) -> None:
    assert why in said(tmp_path, "pause", *words, status=1)
    assert list(tmp_path.iterdir()) == []


def test_status_says_what_waits(tmp_path: Path) -> None:
    empty = json.loads(said(tmp_path, "status", "--json"))
    assert empty == {
        "state_dir": str(tmp_path),
        "running": False,
        "paused": None,
        "undelivered": 0,
        "set_aside": 0,
    }
    aside = tmp_path / "spool" / "set-aside"
    aside.mkdir(parents=True)
    for file in (tmp_path / "spool" / "000000000001.json", aside / "000000000002.json"):
        file.write_text("{}")
    said(tmp_path, "pause")
    with StateDir(tmp_path):
        words = said(tmp_path, "status").splitlines()
    assert words == [
        f"the agent on {tmp_path} is running",
        "paused by its owner",
        "results waiting for the server: 1",
        f"results that the server refused: 1, in {aside}",
        "`lpnet targets` shows whether a limit or a device check pauses the agent",
    ]
