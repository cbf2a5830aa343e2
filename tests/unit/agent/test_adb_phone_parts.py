"""Commands, refusals and user slots of phones, without a phone."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from lpnet.schemas.condition import ConditionReport
from lpnet_agent.devices.adb import shell
from lpnet_agent.devices.adb.owner import PhoneOwner
from lpnet_agent.devices.adb.shell import CommandResult
from lpnet_agent.devices.adb.user_slot import user_slot
from lpnet_agent.devices.adb.visit import is_out_of_memory
from lpnet_agent.errors import DeviceUnavailable
from lpnet_agent.owner.rules import Refusal
from lpnet_agent.sentinels.monitor import SentinelMonitor
from lpnet_agent.serve.readiness import ReadinessCheck

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Connection:
    """An adb connection whose other end is in this process."""

    def __init__(self) -> None:
        self.conn, self.phone = socket.socketpair()

    def send_command(self, command: str) -> None: ...

    def check_okay(self) -> None: ...

    def ends(self) -> None:
        """The phone reports that the command succeeded."""
        self.phone.send(struct.pack("<BI", 3, 1) + b"\0")

    def close(self) -> None:
        self.conn.close()
        self.phone.close()


@pytest.fixture
def connection() -> Iterator[Connection]:
    connection = Connection()
    yield connection
    connection.close()


def test_a_lease_is_held_while_a_command_takes_long(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The phone reads no input, and ends the command after three heartbeats."""
    monkeypatch.setattr(shell, "_HEARTBEAT_S", 0.001)
    beats: list[int] = []

    def beat() -> None:
        beats.append(1)
        if len(beats) == 3:
            connection.ends()

    pushed = b"x" * (8 << 20)
    ended = shell.run(cast(Any, connection), "cat > network", pushed, 60, None, beat)
    assert ended.code == 0
    assert len(beats) >= 3


def test_heartbeats_do_not_extend_the_timeout(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shell, "_HEARTBEAT_S", 0.001)
    with pytest.raises(shell.CommandTimeout):
        shell.run(cast(Any, connection), "sleep 60", b"", 0.05, None, lambda: None)


@pytest.mark.parametrize(
    ("code", "output", "oom_killed", "certain"),
    [
        (137, "", True, True),
        (137, "", False, False),  # somebody's signal 9
        (134, "terminating: std::bad_alloc", False, True),
        (1, "ERROR: Failed to allocate tensors", False, True),
        (1, "broken model", True, False),  # another process was ended for it
    ],
)
def test_out_of_memory_is_reported_only_if_it_is_certain(
    code: int, output: str, oom_killed: bool, certain: bool
) -> None:
    assert is_out_of_memory(CommandResult("", output, code), "", oom_killed) == certain
    assert is_out_of_memory(CommandResult("", "", code), output, oom_killed) == certain


class OwnerRules:
    def refusal(self, now: datetime, *, in_job: bool = False) -> Refusal | None:
        return Refusal("quiet hours", 60)

    def add_measuring_time(self, seconds: float) -> None: ...


def phone_owner(away: str | None, full: str | None) -> PhoneOwner:
    def run(*args: object, **kwargs: object) -> CommandResult:
        raise DeviceUnavailable("it did not answer")

    phone = SimpleNamespace(unreachable=away is not None, find_problem=lambda: away, run=run)
    store = SimpleNamespace(invalidate=lambda: None, check_space=lambda: full)
    return PhoneOwner(cast(Any, OwnerRules()), cast(Any, phone), cast(Any, None), cast(Any, store))


@pytest.mark.parametrize(
    ("away", "full", "cause"),
    [
        ("phone X is unauthorized: unlock it", None, "device"),
        (None, None, "device"),
        (None, "no room in /data", "room"),
    ],
)
def test_what_a_phone_does_is_not_its_owners_doing(
    away: str | None, full: str | None, cause: str
) -> None:
    refusal = phone_owner(away, full).refusal(NOW)
    assert refusal is not None
    assert refusal.cause == cause
    monitor = SimpleNamespace(health=SimpleNamespace(state="ready"), is_due=lambda: False)
    rules = SimpleNamespace(refusal=lambda now, in_job: refusal, add_measuring_time=lambda s: None)
    check = ReadinessCheck(cast(Any, rules), cast(SentinelMonitor, monitor), lambda: 0.0)
    readiness = check.check()
    assert (readiness.state, readiness.cause) == ("paused", cause)
    report = ConditionReport(target="t", state="paused", reason="why", cause=readiness.cause)
    assert ConditionReport.model_validate_json(report.model_dump_json()) == report


def test_an_owner_who_refuses_is_the_cause() -> None:
    refusal = OwnerRules().refusal(NOW)
    assert refusal is not None
    assert refusal.cause == "owner"


def test_two_doctors_of_one_state_folder_have_two_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    state = tmp_path / "state"
    with user_slot("doctor", state) as first, user_slot("doctor", state) as second:
        assert (first, second) == ("doctor-0", "doctor-1")
        with user_slot("doctor", tmp_path / "other") as third:
            assert third == "doctor-0"
    with user_slot("doctor", state) as again:
        assert again == "doctor-0", "what the first one left behind is found again"
