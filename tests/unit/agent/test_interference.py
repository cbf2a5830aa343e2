"""Only what cannot be mistaken counts as disturbed."""

from __future__ import annotations

import numpy as np

from lpnet.schemas.sample import Conditions
from lpnet_agent.measure.interference import judge
from lpnet_agent.measure.statistics import summarise
from lpnet_agent.measure.timing import Timing


def timing(count: int = 30, cpu_share: float = 1.0, wall_s: float = 0.8) -> Timing:
    return Timing(
        summary=summarise(np.full(count, 2.0)),
        inner=1,
        converged=True,
        warm=True,
        wall_s=wall_s,
        cpu_s=wall_s * cpu_share,
        cpu_share=cpu_share,
    )


def test_a_quiet_measurement_is_not_disturbed() -> None:
    verdict = judge(timing(), Conditions(steal_s=0.01, throttled=False))
    assert not verdict.disturbed
    assert verdict.reasons == ()


def test_waiting_for_the_cpu_is() -> None:
    verdict = judge(timing(cpu_share=0.6), Conditions())
    assert verdict.disturbed
    assert "60%" in verdict.reasons[0]


def test_a_handful_of_runs_is_not_enough_to_say_so() -> None:
    assert not judge(timing(count=4, cpu_share=0.6), Conditions()).disturbed


def test_steal_counts_in_proportion_and_beyond_the_clock_tick() -> None:
    assert judge(timing(), Conditions(steal_s=0.2)).disturbed
    assert not judge(timing(), Conditions(steal_s=0.05)).disturbed
    assert not judge(timing(wall_s=0.05), Conditions(steal_s=0.02)).disturbed


def test_every_reason_is_given() -> None:
    verdict = judge(timing(cpu_share=0.5), Conditions(steal_s=0.4, throttled=True))
    assert len(verdict.reasons) == 3
