"""What a GPU was like around a visit, and what that makes of the visit."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lpnet.schemas.gpu import GpuConditions, SlowedBy
from lpnet_agent.gpu.conditions import between, combine, other_load, rejection
from lpnet_agent.gpu.device import GpuReading

QUIET = GpuReading(
    sm_mhz=1410,
    memory_mhz=1215,
    temperature_c=40,
    power_w=100.0,
    slowed_by=frozenset(),
    heat_ns=10,
    power_ns=10,
    persistence=True,
    other_processes=0,
)


def test_before_and_after_are_kept() -> None:
    after = replace(QUIET, sm_mhz=1380, temperature_c=52, power_w=310.0, power_ns=1_000_000_010)
    conditions = between(QUIET, after)
    assert (conditions.sm_before_mhz, conditions.sm_mhz, conditions.memory_mhz) == (
        1410,
        1380,
        1215,
    )
    assert (
        conditions.temperature_c,
        conditions.power_w,
        conditions.power_s,
        conditions.heat_s,
    ) == (52, 310, 1, 0)
    assert (conditions.slowed_by, conditions.others) == ((), 0)


def test_what_is_unknown_stays_so() -> None:
    assert between(GpuReading(), GpuReading()) == GpuConditions()
    assert rejection(GpuConditions()) is None
    assert other_load(GpuConditions()) is None


def test_a_counter_that_began_anew_says_nothing() -> None:
    assert between(QUIET, replace(QUIET, heat_ns=0)).heat_s is None


@pytest.mark.parametrize(
    ("reason", "believed"),
    [
        ("heat_driver", False),
        ("heat_hardware", False),
        ("hardware", False),
        ("power_brake", False),
        # Small boards draw all they may under any load: that is how they are set.
        ("power_cap", True),
        ("sync_boost", True),
    ],
)
def test_what_passes_spoils_a_visit_and_what_is_set_does_not(
    reason: SlowedBy, believed: bool
) -> None:
    slow = replace(QUIET, slowed_by=frozenset({reason}))
    for conditions in (between(QUIET, slow), between(slow, QUIET)):
        assert conditions.slowed_by == (reason,)
        assert (rejection(conditions) is None) == believed


def test_heat_between_two_cool_moments_counts() -> None:
    assert rejection(between(QUIET, replace(QUIET, heat_ns=QUIET.heat_ns))) is None
    assert "heat" in str(rejection(between(QUIET, replace(QUIET, heat_ns=2_000_000))))


def test_another_process_is_other_load() -> None:
    assert other_load(between(QUIET, QUIET)) is None
    assert (
        other_load(between(replace(QUIET, other_processes=2), QUIET))
        == "2 other processes on the GPU"
    )


def test_several_visits_become_one() -> None:
    cool = between(QUIET, QUIET)
    warm = between(
        QUIET,
        replace(
            QUIET, sm_mhz=1310, temperature_c=81, slowed_by=frozenset({"power_cap"}), power_ns=None
        ),
    )
    both = combine([cool, None, warm])
    assert both is not None
    assert (both.sm_mhz, both.temperature_c, both.slowed_by) == (1360, 81, ("power_cap",))
    assert both.power_s == 0
    assert combine([None, None]) is None
