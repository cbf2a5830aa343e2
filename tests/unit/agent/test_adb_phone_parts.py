"""What a phone's visits, pushes and refusals come to, without a phone."""

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
from lpnet_agent.devices.adb.visit import _no_room
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
        """The phone says that the command ended well."""
        self.phone.send(struct.pack("<BI", 3, 1) + b"\0")

    def close(self) -> None:
        self.conn.close()
        self.phone.close()


@pytest.fixture
def connection() -> Iterator[Connection]:
    made = Connection()
    yield made
    made.close()


def test_a_lease_is_held_while_a_command_takes_long(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The phone reads nothing of what is pushed, and ends only once there were three beats."""
    monkeypatch.setattr(shell, "_BEAT_S", 0.001)
    beats: list[int] = []

    def beat() -> None:
        beats.append(1)
        if len(beats) == 3:
            connection.ends()

    pushed = b"x" * (8 << 20)
    ended = shell.run(cast(Any, connection), "cat > network", pushed, 60, None, beat)
    assert ended.code == 0
    assert len(beats) >= 3


def test_beats_do_not_put_off_the_end_of_patience(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shell, "_BEAT_S", 0.001)
    with pytest.raises(shell.Silent):
        shell.run(cast(Any, connection), "sleep 60", b"", 0.05, None, lambda: None)


@pytest.mark.parametrize(
    ("code", "said", "killed_for_it", "certain"),
    [
        (137, "", True, True),
        (137, "", False, False),  # somebody's signal 9
        (134, "terminating: std::bad_alloc", False, True),
        (1, "ERROR: Failed to allocate tensors", False, True),
        (1, "broken model", True, False),  # another process was ended for it
    ],
)
def test_out_of_memory_is_said_where_it_is_certain(
    code: int, said: str, killed_for_it: bool, certain: bool
) -> None:
    assert _no_room(CommandResult("", said, code), "", killed_for_it) == certain
    assert _no_room(CommandResult("", "", code), said, killed_for_it) == certain


class OwnerRules:
    def refusal(self, now: datetime, *, in_job: bool = False) -> Refusal | None:
        return Refusal("quiet hours", 60)

    def add_measuring_time(self, seconds: float) -> None: ...


def phone_owner(away: str | None, full: str | None) -> PhoneOwner:
    def run(*given: object, **more: object) -> CommandResult:
        raise DeviceUnavailable("it did not answer")

    phone = SimpleNamespace(gone=away is not None, away=lambda: away, run=run)
    store = SimpleNamespace(forget=lambda: None, lacks_room=lambda: full)
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
    watch = SimpleNamespace(health=SimpleNamespace(state="ready"), due=lambda: False)
    asked = SimpleNamespace(refusal=lambda now, in_job: refusal, add_measuring_time=lambda s: None)
    standing = ReadinessCheck(cast(Any, asked), cast(SentinelMonitor, watch), lambda: 0.0).ask()
    assert (standing.state, standing.cause) == ("paused", cause)
    said = ConditionReport(target="t", state="paused", reason="why", cause=standing.cause)
    assert ConditionReport.model_validate_json(said.model_dump_json()) == said


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
