"""Bad tables are refused or named, and good ones pass without a word."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from lpnet.errors import LpnetError
from lpnet_service.training import Record, provisional
from lpnet_service.training.screening import screened

MakeRecords = Callable[..., list[Record]]


@pytest.fixture(scope="module")
def good(make_records: MakeRecords) -> list[Record]:
    """Blocks and networks with a noise of 2%, each with the id of its sample."""
    rng = np.random.default_rng(3)
    return [
        replace(record, latency_ms=record.latency_ms * float(factor), sample=f"s{index}")
        for index, (record, factor) in enumerate(
            zip(
                make_records(100, 200, seed=3),
                np.exp(0.02 * rng.standard_normal(300)),
                strict=True,
            )
        )
    ]


def _scaled(records: Sequence[Record], rows: Sequence[int], factor: float) -> list[Record]:
    chosen = set(rows)
    return [
        replace(record, latency_ms=record.latency_ms * factor) if row in chosen else record
        for row, record in enumerate(records)
    ]


def _with_latencies(records: Sequence[Record], latency: np.ndarray) -> list[Record]:
    return [replace(r, latency_ms=float(ms)) for r, ms in zip(records, latency, strict=True)]


def _latencies(records: Sequence[Record]) -> np.ndarray:
    return np.array([record.latency_ms for record in records])


def test_a_good_table_passes_unchanged(good: list[Record], make_records: MakeRecords) -> None:
    for table in (good, good[:100], good[100:], good[:30], make_records(90, 45), []):
        result = screened(table)
        assert list(result.records) == table
        assert result.warnings == ()


def test_repeated_measurements_are_no_copies(good: list[Record]) -> None:
    again = [replace(r, latency_ms=r.latency_ms * 1.01, sample=f"{r.sample}b") for r in good]
    result = screened([*good, *again])
    assert len(result.records) == 600
    assert result.warnings == ()


@pytest.mark.parametrize(
    ("share", "factor", "units"), [(3, 1e-3, "seconds"), (25, 1e-3, "seconds"), (4, 1e3, "micro")]
)
def test_a_part_in_another_unit_is_refused_with_its_rows(
    good: list[Record], share: int, factor: float, units: str
) -> None:
    rows = range(7, len(good), share)
    with pytest.raises(LpnetError, match=r"^latency_ms: \d+ of 300 samples") as caught:
        screened(_scaled(good, rows, factor))
    message = str(caught.value)
    assert f"latency_ms: {len(rows)} of 300" in message
    assert units in message
    assert "sample s7 (" in message
    assert f"{len(rows) - 5} more" in message


def test_networks_in_milliseconds_and_blocks_in_seconds_are_refused(good: list[Record]) -> None:
    with pytest.raises(LpnetError, match=r"100 of 300 samples .* seconds"):
        screened(_scaled(good, range(100), 1e-3))


@pytest.mark.parametrize("factor", [1e3, 1e-3, 3e4])
def test_single_latencies_far_off_are_left_out_and_named(
    good: list[Record], factor: float
) -> None:
    result = screened(_scaled(good, [11, 250], factor))
    assert [r for r in good if r.sample not in ("s11", "s250")] == list(result.records)
    (warning,) = result.warnings
    assert (warning.kind, warning.n) == ("outliers", 2)
    assert {row.sample for row in warning.samples} == {"s11", "s250"}
    assert "sample s11 (" in warning.message


def test_copies_count_once_and_are_named(good: list[Record]) -> None:
    result = screened([*good, *[good[4]] * 49, good[9]])
    assert list(result.records) == good
    (warning,) = result.warnings
    assert (warning.kind, warning.n) == ("copies", 50)
    assert [row.sample for row in warning.samples] == ["s4", "s9"]
    assert "one of them 50 times" in warning.message


def test_constant_latencies_are_refused(good: list[Record]) -> None:
    with pytest.raises(LpnetError, match=r"latency_ms: all 300 samples .* sample s0 \(0.7\)"):
        screened(_with_latencies(good, np.full(300, 0.7)))


@pytest.mark.parametrize("of_kind", [slice(0, 100), slice(100, 300), slice(0, 300)])
def test_latencies_of_other_rows_are_refused(good: list[Record], of_kind: slice) -> None:
    latency = _latencies(good)
    latency[of_kind] = np.random.default_rng(1).permutation(latency[of_kind])
    with pytest.raises(LpnetError, match=r"latency_ms: the latencies of \d+ (blocks|networks)"):
        screened(_with_latencies(good, latency))


def test_whole_milliseconds_are_a_warning(good: list[Record]) -> None:
    result = screened(_with_latencies(good, np.ceil(_latencies(good))))
    (warning,) = [w for w in result.warnings if w.kind == "rounded"]
    assert "multiples of 1 ms" in warning.message
    assert warning.n == len(result.records) == 300
    fine = screened(_with_latencies(good, np.round(_latencies(good), 3)))
    assert fine.warnings == ()


def test_noise_on_a_tenth_of_the_rows_is_a_warning(good: list[Record]) -> None:
    rng = np.random.default_rng(2)
    rows = rng.choice(300, 30, replace=False)
    latency = _latencies(good)
    latency[rows] *= 4.0
    (warning,) = screened(_with_latencies(good, latency)).warnings
    assert warning.kind == "noisy"
    assert warning.n >= 20
    assert {row.sample for row in warning.samples} <= {f"s{row}" for row in rows}


def test_measurements_that_do_not_repeat_are_a_warning(good: list[Record]) -> None:
    again = [replace(r, latency_ms=r.latency_ms * 1.8) for r in good[:30]]
    (warning,) = screened([*good, *again]).warnings
    assert warning.kind == "noisy"
    assert "30 of 30 workloads differ by more than 50%" in warning.message


def test_few_records_are_not_judged(good: list[Record]) -> None:
    few = _scaled(good[:12], [1, 5, 9], 1e-3)
    assert list(screened(few).records) == few


def test_every_training_screens(good: list[Record]) -> None:
    with pytest.raises(LpnetError, match="in seconds"):
        provisional(_scaled(good, range(0, 300, 3), 1e-3), target="t", seed=0)
