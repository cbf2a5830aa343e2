"""Advice claims only what the line shows beyond the noise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from lpnet.predictor.advice import UNKNOWN_NOISE_PCT, advise, same_within_pct
from lpnet.schemas.curve import Advice

Vector = NDArray[np.float64]
NOISE = 0.8

maxima = st.integers(8, 300)
noises = st.floats(0.1, 3.0)
steps = st.sampled_from([4, 8, 16, 32])


def said(ms: Vector, noise: float | None = NOISE, spread: float = 0.0) -> tuple[Advice, ...]:
    apart = np.exp(spread)
    return advise(range(1, len(ms) + 1), ms, ms / apart, ms * apart, noise)


def kinds(found: tuple[Advice, ...]) -> list[str]:
    return [one.kind for one in found]


def wiggle(seed: int, count: int, noise: float) -> Vector:
    """Factors of which no two are further apart than twice the noise floor."""
    return np.asarray(1.0 + 2.0 * noise / 100.0 * np.random.default_rng(seed).random(count))


def require_true(found: tuple[Advice, ...], ms: Vector, noise: float, spread: float) -> None:
    """Every sentence holds of the line, by the definitions."""
    within = 1.0 + 2.0 * noise / 100.0

    def at(width: int | None) -> float:
        assert width is not None
        return float(ms[width - 1])

    def more(dear: float, cheap: float) -> bool:
        return dear > cheap * within and dear / np.exp(spread) > cheap * np.exp(spread)

    for one in found:
        assert one.text.endswith(".")
        if one.kind == "multiples":
            assert one.first
            assert one.last
            assert one.multiple
            for width in range(one.first, one.last + 1):
                up = -(-width // one.multiple) * one.multiple
                assert at(up) <= at(width) * within
        elif one.kind == "cliff":
            assert one.first is not None
            assert one.keep is not None
            assert one.first < one.keep == one.against
            assert more(at(one.first), at(one.keep))
            assert one.ratio == pytest.approx(at(one.first) / at(one.keep))
        elif one.kind == "same":
            assert one.first is not None
            assert one.last is not None
            assert one.first < one.last == one.keep
            part = ms[one.first - 1 : one.last]
            assert part.max() <= part.min() * within
            below = ms[: one.first - 1]
            assert any(more(at(one.keep), float(cheap)) for cheap in below)
            assert (ms[one.last :] * within > at(one.keep)).all(), "a wider one is better"
        elif one.kind == "floor":
            assert one.keep is not None
            assert (ms[: one.keep] * within >= at(one.keep)).all()
        elif one.kind == "gain":
            assert more(at(one.against), at(one.first))
        else:
            assert one.kind == "noise"
            assert ms.max() <= ms.min() * within


@given(st.integers(0, 2**32), maxima, noises, st.floats(0.0, 0.1), st.floats(0.05, 3.0))
def test_whatever_is_said_is_so(
    seed: int, count: int, noise: float, spread: float, rough: float
) -> None:
    """Lines of all kinds: a staircase, a comb and noise, mixed."""
    rng = np.random.default_rng(seed)
    width = np.arange(1, count + 1)
    step = int(rng.choice([3, 4, 8, 12, 16, 32]))
    ms = rng.choice([0.0, 1.0, 10.0]) + np.ceil(width / step) * rng.random()
    ms = (ms + rng.random() * width / count) * (1 + rough * (width % step != 0) * rng.random())
    ms = (ms + 0.01) * wiggle(seed, count, noise)
    require_true(said(ms, noise, spread), ms, noise, spread)


@given(steps, st.integers(5, 12), st.floats(1.3, 5.0), st.integers(0, 2**32))
def test_on_a_comb_the_teeth_are_named(step: int, teeth: int, dear: float, seed: int) -> None:
    width = np.arange(1, step * teeth + 1)
    ms = (1.0 + np.ceil(width / step)) * np.where(width % step == 0, 1.0, dear)
    ms *= 1.0 + 0.001 * np.random.default_rng(seed).random(len(ms))
    found = said(ms)
    comb, cliff = found[0], found[1]
    assert (comb.kind, comb.multiple) == ("multiples", step)
    assert f"round up to a multiple of {step}" in comb.text
    assert cliff.kind == "cliff"
    assert cliff.keep is not None
    assert cliff.keep % step == 0
    assert "same" not in kinds(found)


@given(steps, st.integers(5, 12), st.integers(0, 2**32))
def test_on_a_staircase_the_stairs_are_named(step: int, stairs: int, seed: int) -> None:
    width = np.arange(1, step * stairs + 1)
    ms = 1.0 + np.ceil(width / step)
    ms *= 1.0 + 0.001 * np.random.default_rng(seed).random(len(ms))
    found = said(ms)
    assert (found[0].kind, found[0].multiple) == ("multiples", step)
    flat = next(one for one in found if one.kind == "same")
    assert (flat.first, flat.last) == (flat.keep - step + 1, flat.keep) if flat.keep else False
    assert flat.text == (
        f"{flat.first} to {flat.keep} channels cost the same within the noise: keep {flat.keep}."
    )
    assert found[-1].kind == "floor"
    assert found[-1].keep == step
    assert "cliff" not in kinds(found)


@given(maxima, st.floats(0.0, 5.0), noises)
def test_on_a_slope_nothing_stands_out(count: int, base: float, noise: float) -> None:
    ms = base + np.arange(1, count + 1) / count
    found = said(ms, noise)
    assert set(kinds(found)) <= {"gain", "floor", "noise"}
    if base == 0.0:
        assert found[0].kind == "gain"
        assert found[0].ratio == pytest.approx(0.5, abs=0.08)
        assert "No width stands out" in found[0].text


@given(maxima, noises, st.integers(0, 2**32))
def test_a_rising_line_with_noise_has_no_cliffs(count: int, noise: float, seed: int) -> None:
    """Twice the noise floor is the most that two noisy values of the same cost differ by."""
    ms = (0.3 + np.arange(1, count + 1) / count) * wiggle(seed, count, noise)
    assert "cliff" not in kinds(said(ms, noise))


@given(maxima, noises, st.integers(0, 2**32))
def test_of_a_flat_line_only_the_max_is_worth_keeping(count: int, noise: float, seed: int) -> None:
    found = said(wiggle(seed, count, noise), noise)
    assert kinds(found) == ["noise"]
    assert found[0].keep == count
    assert "within the noise" in found[0].text


@given(st.floats(1.05, 4.0), noises)
def test_a_difference_within_the_interval_is_no_cliff(dear: float, noise: float) -> None:
    width = np.arange(1, 129)
    ms = (1.0 + width / 128) * np.where(width % 16 == 0, 1.0, dear)
    assert "cliff" not in kinds(said(ms, noise, spread=0.51 * np.log(dear)))


def test_the_sentences_of_the_documentation() -> None:
    width = np.arange(1, 257)
    ms = np.ceil(width / 16) * np.where((width > 176) & (width < 192), 4.0, 1.0)
    ms = np.where(width <= 24, 2.0, ms)
    texts = [one.text for one in said(ms)]
    assert "191 channels cost 4.0 times 192: keep 192." in texts
    assert "Below 32 channels nothing is gained." in texts
    assert "From 48 to 256 channels, round up to a multiple of 16." in texts


def test_where_the_noise_floor_is_unknown_a_quiet_devices_stands_in() -> None:
    assert same_within_pct(None) == UNKNOWN_NOISE_PCT
    assert same_within_pct(1.5) == 3.0
    ms = np.repeat([1.0, 2.0, 3.0], 20)
    (same,) = [one for one in said(ms, None) if one.keep == 60]
    assert same.text == "41 to 60 channels cost the same within 2%: keep 60."


def test_a_single_value_needs_no_advice() -> None:
    assert said(np.ones(1)) == ()
