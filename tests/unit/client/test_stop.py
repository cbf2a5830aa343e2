"""Asking the agent to end."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from lpnet.stop import Stop


@pytest.fixture
def stop() -> Iterator[Stop]:
    made = Stop()
    yield made
    made.close()


def test_waiting_ends_by_itself(stop: Stop) -> None:
    assert not stop.wait(0.0)
    assert not stop.is_set()


def test_once_asked_nothing_waits_any_more(stop: Stop) -> None:
    stop.set()
    for _ in range(3):
        assert stop.wait(60)
    assert stop.is_set()
    assert select.select([stop], [], [], 0)[0] == [stop]


def test_a_signal_asks_and_wakes(stop: Stop) -> None:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        stop.on_signals()
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.wait(60)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def test_a_second_signal_ends_the_process() -> None:
    code = (
        "import signal\n"
        "from lpnet.stop import Stop\n"
        "stop = Stop(); stop.on_signals()\n"
        "signal.raise_signal(signal.SIGTERM); print(stop.is_set(), flush=True)\n"
        "signal.raise_signal(signal.SIGTERM); print('still here')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == ["True"]
    assert done.returncode == -signal.SIGTERM
