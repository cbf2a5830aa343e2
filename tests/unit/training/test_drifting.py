"""A drift is detected soon, and streams without one seldom alarm."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest

from lpnet_service.training.drifting import COVERAGE, MAX_TAIL, SAMPLES_PER_ALARM, detect

SPREAD = 0.03
HALF_WIDTH = SPREAD * NormalDist().inv_cdf(0.5 + COVERAGE / 2)


def errors(rng: np.random.Generator, n: int, shift: float = 0.0) -> np.ndarray:
    return rng.normal(np.log1p(shift), SPREAD, n)


def widths(n: int) -> np.ndarray:
    return np.full(n, HALF_WIDTH)


@pytest.mark.parametrize("shift", [0.05, -0.05])
def test_a_shift_of_5_percent_is_detected_within_60_samples(shift: float) -> None:
    delays, starts, ratios = [], [], []
    for seed in range(50):
        rng = np.random.default_rng(seed)
        stream = np.concatenate([errors(rng, 300), errors(rng, 60, shift)])
        drift = detect(stream, widths(len(stream)))
        assert drift is not None
        assert drift.detected >= 300
        delays.append(drift.detected - 300 + 1)
        starts.append(drift.start)
        ratios.append(drift.ratio)
    assert np.median(delays) <= 30
    assert abs(np.median(starts) - 300) <= 3
    assert np.median(ratios) == pytest.approx(1 + shift, abs=0.01)


def test_a_larger_shift_is_detected_sooner() -> None:
    rng = np.random.default_rng(0)
    drift = detect(np.concatenate([errors(rng, 100), errors(rng, 30, 0.2)]), widths(130))
    assert drift is not None
    assert 100 <= drift.detected <= 110


def test_streams_that_have_not_drifted_alarm_at_most_once_in_10000_samples() -> None:
    """The tail is as large as the test allows: the worst case of the stated rate."""
    n, streams = 1_000, 100
    half = np.full(n, SPREAD * NormalDist().inv_cdf(1 - MAX_TAIL) - 0.01)
    alarms = sum(
        detect(errors(np.random.default_rng(seed), n), half) is not None for seed in range(streams)
    )
    # Three standard deviations above the stated mean of ten.
    assert SAMPLES_PER_ALARM == 10_000
    assert alarms <= 20


def test_sessions_that_differ_by_the_noise_floor_do_not_alarm() -> None:
    alarms = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        sessions = np.repeat(rng.normal(0.0, 0.007, 20), 25)
        alarms += detect(sessions + errors(rng, 500), widths(500), tolerance=0.015) is not None
    assert alarms == 0


def test_single_gross_errors_do_not_alarm() -> None:
    stream = errors(np.random.default_rng(0), 400)
    stream[::40] += 3.0
    assert detect(stream, widths(400)) is None


def test_a_common_factor_within_the_tolerance_is_no_drift() -> None:
    stream = errors(np.random.default_rng(1), 400, 0.04)
    assert detect(stream, widths(400)) is not None
    assert detect(stream, widths(400), tolerance=0.04) is None


def test_errors_that_an_lpnet_always_had_are_no_drift() -> None:
    rng = np.random.default_rng(3)
    # It underestimates by 4%, and its intervals are half as wide as they should be.
    reference, stream = errors(rng, 60, 0.04), errors(rng, 600, 0.04)
    half = widths(600) / 2
    assert detect(stream, half) is not None
    assert detect(stream, half, reference=reference / half[:60]) is None
    drifted = np.concatenate([stream, errors(rng, 60, 0.1)])
    drift = detect(drifted, widths(660) / 2, reference=reference / half[:60])
    assert drift is not None
    assert drift.detected >= 600


def test_nothing_drifts_in_an_empty_stream() -> None:
    assert detect(np.zeros(0), np.zeros(0)) is None
