"""The verdict on a campaign's samples, and the figures behind it."""

from __future__ import annotations

from typing import Any

import pytest

from lpnet.noise import NoiseFloor
from lpnet.quality import causes
from lpnet.quality.figures import (
    Counts,
    expected_error,
    explain,
    judge,
    other_load,
    spreads,
)
from lpnet.schemas.quality import SentinelSpread, Verdict
from lpnet.schemas.sample import Conditions


def counts(measured: int, disturbed: int, **changed: Any) -> Counts:
    newest = min(measured, 12)
    values = {
        "total": 100,
        "newest": newest,
        "newest_disturbed": min(disturbed, newest),
        "ended": False,
    }
    return Counts(measured=measured, disturbed=disturbed, **(values | changed))


def spread(pct: float, readings: int = 4, disturbed: int = 0) -> SentinelSpread:
    return SentinelSpread(
        sentinel="arithmetic", readings=readings, disturbed=disturbed, spread_pct=pct
    )


@pytest.mark.parametrize(
    ("measured", "disturbed", "verdict"),
    [
        (0, 0, "unknown"),
        (11, 0, "unknown"),
        (11, 6, "unknown"),
        (8, 7, "bad"),
        (12, 0, "good"),
        (12, 1, "good"),
        (12, 2, "poor"),
        (12, 6, "poor"),
        (12, 7, "bad"),
        (100, 10, "poor"),
        (100, 51, "bad"),
    ],
)
def test_the_share_of_disturbed_samples_decides(
    measured: int, disturbed: int, verdict: Verdict
) -> None:
    assert judge(counts(measured, disturbed), []) == verdict


def test_a_campaign_of_few_workloads_is_judged_when_it_ends() -> None:
    assert judge(counts(3, 2, total=3, ended=True), []) == "bad"
    assert judge(counts(3, 0, total=3, ended=True), []) == "good"
    assert judge(counts(0, 0, total=3, ended=True), []) == "unknown"


def test_it_gets_poor_when_the_newest_are_disturbed() -> None:
    late = counts(100, 8, newest_disturbed=7)
    assert judge(late, []) == "poor"
    assert "of the newest 12, 7 are" in explain(late, [], [])
    assert judge(counts(100, 8, newest_disturbed=6), []) == "good"


def test_sentinels_that_differ_make_it_poor() -> None:
    """Where each sample seems undisturbed, only the same workload at another time shows it."""
    quiet = counts(40, 0)
    assert judge(quiet, [spread(52.0)]) == "poor"
    assert "undisturbed sentinel readings differ: arithmetic by 52%" in explain(
        quiet, [], [spread(52.0)]
    )
    assert judge(quiet, [spread(9.0)]) == "good"
    assert judge(quiet, [spread(52.0, readings=4, disturbed=2)]) == "good"


def test_the_words_hold_the_counts_and_causes() -> None:
    present = causes.causes([["the CPU was throttled for heat"]] * 3)
    assert explain(counts(20, 3), present, []) == (
        "3 of 20 samples are disturbed: the CPU was slowed down for heat (3)"
    )
    assert explain(counts(20, 0), [], []) == "0 of 20 samples are disturbed"
    assert explain(counts(5, 0), [], []) == "5 of the first 12 workloads were measured"
    assert explain(counts(2, 0, total=6), [], []) == "2 of the first 6 workloads were measured"


def test_the_expected_error_is_the_larger_of_noise_floor_and_scatter() -> None:
    floor = NoiseFloor(12, 2.5, 1.0, 4.0)
    assert expected_error(floor, {}, []) == (2.5, "the noise floor, of 12 workloads")
    assert expected_error(floor, {"memory": [5.0] * 6}, [])[0] == 2.5
    # Readings of a host whose physical core another virtual machine shares.
    pct, source = expected_error(floor, {"arithmetic": [1.09, 1.55, 1.60, 1.66, 1.58]}, [])
    assert pct == pytest.approx(100 * (0.49 + 0.03 + 0.02 + 0.08) / 5 / 1.58)
    assert source == "the scatter of 5 readings of sentinel arithmetic"


def test_the_fastest_visits_count_while_the_noise_floor_is_unknown() -> None:
    visits = [Conditions(visits_ms=(1.5, 1.02, 1.0))] * 6
    pct, source = expected_error(NoiseFloor(3), {}, visits)
    assert pct == pytest.approx(1.0)
    assert source == "half the difference between visits to a workload, of 6"
    assert expected_error(NoiseFloor(12, 0.5, 0.4, 0.6), {}, visits)[0] == 0.5
    assert expected_error(NoiseFloor(3), {}, visits[:5])[0] is None
    assert expected_error(NoiseFloor(3), {}, [Conditions(visits_ms=(1.0,))] * 9)[0] is None


def test_an_expected_error_is_unknown_without_enough_repeats() -> None:
    pct, reason = expected_error(NoiseFloor(3), {"memory": [5.0] * 4}, [])
    assert pct is None
    assert "3 of 10 workloads" in reason
    assert "4 of 5 undisturbed readings" in reason
    assert "0 of 5" in expected_error(NoiseFloor(0), {}, [])[1]


def test_spreads_are_of_undisturbed_readings() -> None:
    (memory,) = spreads({"memory": [1.0, 1.1, 9.0]}, {"memory": [1.0, 1.1]})
    assert (memory.readings, memory.disturbed) == (3, 1)
    assert memory.spread_pct == pytest.approx(100 * 0.1 / 1.05)
    (single,) = spreads({"memory": [1.0]}, {"memory": [1.0]})
    assert single.spread_pct is None


def test_the_load_of_others_is_a_median_or_unknown() -> None:
    load = other_load(
        [
            Conditions(wall_s=2.0, waited_s=0.2, elsewhere_share=0.5, visits_ms=(1.0, 1.2)),
            Conditions(wall_s=2.0, waited_s=0.6, elsewhere_share=0.1, visits_ms=(1.0,)),
            Conditions(),
        ]
    )
    assert load.cpu_pct == pytest.approx(20.0)
    assert load.cores_pct == pytest.approx(30.0)
    assert load.memory_pct is None
    assert load.visits_pct == pytest.approx(20.0)
    assert (load.slowed_pct, load.probes_pct) == (None, None)


def test_probes_are_compared_over_the_samples() -> None:
    conditions = [
        Conditions(runs=50, slowed_runs=10 * i, arithmetic_ns=1000.0 + 100 * i) for i in range(5)
    ]
    load = other_load(conditions)
    assert load.slowed_pct == pytest.approx(40.0)
    assert load.probes_pct == pytest.approx(100 * 320 / 1200)
    assert other_load(conditions[:4]).probes_pct is None
