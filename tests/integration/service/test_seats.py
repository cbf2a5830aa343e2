"""One agent of a device is served at a time."""

from __future__ import annotations

from typing import Any

import pytest

from lpnet.schemas.device import DeviceFacts, Registration, TargetSpec
from lpnet_service.errors import DeviceBusy
from lpnet_service.services.measuring import agents, leasing

Bench = Any


def register(bench: Bench, seat: str | None) -> str:
    registration = Registration(
        device="board",
        facts=DeviceFacts(),
        targets=(TargetSpec(name="board-cpu"),),
        agent_version="1",
        machine="machine-1",
        seat=seat,
    )
    return agents.register(bench.ctx, registration).agent


def ask(bench: Bench, agent: str, seat: str | None) -> None:
    leasing.check_agent(bench.ctx, agent, ["board-cpu"], seat)


def test_the_second_is_refused_while_the_first_is_alive(bench: Bench) -> None:
    first = register(bench, "seat-one")
    bench.clock.advance(bench.ctx.settings.offline_s - 1)
    ask(bench, first, "seat-one")
    bench.clock.advance(bench.ctx.settings.offline_s - 1)
    with pytest.raises(DeviceBusy, match=r"board.*--device"):
        register(bench, "seat-two")


def test_a_restart_in_the_same_seat_is_served_at_once(bench: Bench) -> None:
    assert register(bench, "seat-one") == register(bench, "seat-one")


def test_the_place_of_one_that_is_silent_is_taken_and_it_is_told(bench: Bench) -> None:
    agent = register(bench, "seat-one")
    bench.clock.advance(bench.ctx.settings.offline_s + 1)
    assert register(bench, "seat-two") == agent
    ask(bench, agent, "seat-two")
    with pytest.raises(DeviceBusy):
        ask(bench, agent, "seat-one")
    with pytest.raises(DeviceBusy):
        register(bench, "seat-one")


def test_a_clock_set_back_keeps_nobody_out(bench: Bench) -> None:
    register(bench, "seat-one")
    bench.clock.advance(-3600)
    register(bench, "seat-two")


@pytest.mark.parametrize(("first", "second"), [(None, "seat-one"), ("seat-one", None)])
def test_one_that_says_no_seat_is_not_told_apart(
    bench: Bench, first: str | None, second: str | None
) -> None:
    agent = register(bench, first)
    assert register(bench, second) == agent
    ask(bench, agent, second)
