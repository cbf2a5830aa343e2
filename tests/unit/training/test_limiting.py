"""Ensembles far from their data: no price explodes, and the spread says that little is known."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lpnet.model.ensemble import Ensemble, EnsembleHeader
from lpnet.model.ensemble.limits import HELD_TYPES
from lpnet.model.features import features_of
from lpnet.model.kernel_tensors import KernelTensors
from lpnet.schemas import ops as wire
from lpnet.space.table import OpTable
from lpnet_service.training import Record
from lpnet_service.training.ensemble.calibration import calibrate, outputs
from lpnet_service.training.ensemble.fitting import FitSettings, fit, held_out_by
from lpnet_service.training.ensemble.inputs import KernelInputs
from lpnet_service.training.ensemble.limiting import limit
from lpnet_service.training.headers import new_header
from lpnet_service.training.records import Mask, RecordSet, Vector

SETTINGS = FitSettings(members=4, hidden=40, steps=400)
# What a log of a price has beyond its limits at most: the largest b exp(-b^2).
MAX_ADDED = 0.43


def _conv(c_in: int, c_out: int, side: int, window: int, stride: int, dilation: int) -> OpTable:
    padding = dilation * (window // 2)
    conv = wire.Conv2d(
        c_in=c_in,
        c_out=c_out,
        h=side,
        w=side,
        kernel=(window, window),
        stride=(stride, stride),
        dilation=(dilation, dilation),
        padding=(padding, padding),
    )
    return OpTable.from_ops([conv])


def _drawn(rng: np.random.Generator, rare: bool) -> OpTable:
    """Usually a 3x3 conv; rarely one of any shape, with up to 2048 channels."""
    side, window, stride, dilation, low, high = int(rng.choice([14, 28])), 3, 1, 1, 4, 8
    if rare:
        window, stride = int(rng.choice([1, 5, 7, 11])), int(rng.choice([1, 2, 4]))
        dilation, side = int(rng.choice([1, 2])), int(rng.choice([4, 7, 56, 112, 224]))
        low, high = 3, 11
    c_in, c_out = (int(2 ** rng.uniform(low, high)) for _ in range(2))
    return _conv(c_in, c_out, side, window, stride, dilation)


def _ms(table: OpTable) -> float:
    written = float(table.b_out[0] * table.rows[0].h_out * table.rows[0].w_out)
    return 0.12 + 1e-7 * float(table.macs(np.zeros(0))) + 1e-6 * written


def _record(number: int, table: OpTable, factor: float = 1.0) -> Record:
    return Record(str(number), "block", table, 1, factor * _ms(table), None, None, None, False)


@pytest.fixture(scope="module")
def sides() -> tuple[RecordSet, RecordSet]:
    """To train on: noisy, one rare shape in twenty. To test on: every second shape is rare."""
    rng = np.random.default_rng(0)
    noisy = [
        _record(i, _drawn(rng, i % 20 == 0), float(np.exp(0.5 * rng.normal()))) for i in range(100)
    ]
    exact = [_record(100 + i, _drawn(rng, i % 2 == 0)) for i in range(200)]
    return RecordSet.of(noisy), RecordSet.of(exact)


@pytest.fixture(scope="module")
def training(sides: tuple[RecordSet, RecordSet]) -> RecordSet:
    return sides[0]


@pytest.fixture(scope="module")
def left_out(sides: tuple[RecordSet, RecordSet]) -> RecordSet:
    return sides[1]


@pytest.fixture(scope="module")
def held_out(training: RecordSet) -> Mask:
    return held_out_by(training, SETTINGS.members, 0)


@pytest.fixture(scope="module")
def unlimited(training: RecordSet, held_out: Mask) -> Ensemble:
    shared = new_header(training, "t", 1, 0, None).model_dump()
    size = {"members": SETTINGS.members, "hidden": SETTINGS.hidden, "held_types": HELD_TYPES}
    header = EnsembleHeader.model_validate(shared | size)
    return fit(KernelInputs.of(training), header, SETTINGS, held_out, lambda share: None)


@pytest.fixture(scope="module")
def limited(unlimited: Ensemble, training: RecordSet, held_out: Mask) -> Ensemble:
    inputs = KernelInputs.of(training)
    ensemble = limit(copy.deepcopy(unlimited), inputs, held_out)
    return calibrate(ensemble, inputs, training.network, held_out, None)


def _factor(ensemble: Ensemble, records: RecordSet) -> Vector:
    """How many times a prediction is off, above 1 for either side."""
    predicted = outputs(ensemble, KernelInputs.of(records)).latency
    return np.asarray(np.exp(np.abs(np.log(predicted / records.latency))))


def test_what_exploded_is_bounded(
    unlimited: Ensemble, limited: Ensemble, left_out: RecordSet
) -> None:
    before, after = _factor(unlimited, left_out), _factor(limited, left_out)
    assert before.max() > 100.0
    assert after.max() < 40.0
    assert np.log(after).mean() < np.log(before).mean()


def test_what_it_was_fitted_to_stays_as_it_is(
    unlimited: Ensemble, limited: Ensemble, training: RecordSet, held_out: Mask
) -> None:
    before, after = (outputs(e, KernelInputs.of(training)).total for e in (unlimited, limited))
    fitted = ~torch.from_numpy(held_out)
    torch.testing.assert_close(after[fitted], before[fitted], rtol=1e-4, atol=0.0)


def test_the_spread_is_wide_where_prices_are_held(
    limited: Ensemble, unlimited: Ensemble, left_out: RecordSet
) -> None:
    inputs = KernelInputs.of(left_out)
    predicted = outputs(limited, inputs)
    spread = predicted.spread(limited)
    moved = np.abs(np.log(predicted.latency / outputs(unlimited, inputs).latency)) > 0.1
    assert moved.any()
    assert np.median(spread[moved]) > 3.0 * np.median(spread[1::2])
    reach = limited.header.calibration.quantile(0.9, "block") * spread
    error = np.abs(np.log(predicted.latency / left_out.latency))
    assert (error <= reach)[moved].mean() >= 0.9


@given(
    c_in=st.integers(1, 100_000),
    c_out=st.integers(1, 100_000),
    side=st.integers(1, 2000),
    window=st.sampled_from([1, 3, 5, 7, 11, 31]),
    stride=st.integers(1, 8),
    dilation=st.integers(1, 8),
)
def test_no_shape_leaves_the_limits_of_its_type(
    limited: Ensemble, c_in: int, c_out: int, side: int, window: int, stride: int, dilation: int
) -> None:
    kernels = KernelTensors.of(_conv(c_in, c_out, side, window, stride, dilation), 1)
    bound, no_widths = limited.bind_kernels(kernels), torch.zeros(0).double()
    limits = limited.limits(kernels.static)
    assert limits is not None
    roofline = (features_of(kernels)[1] + limits.rates).logsumexp(0)
    ratio = torch.log(bound.kernel_ms(no_widths)) - roofline
    furthest = torch.maximum(limits.low.abs(), limits.high.abs()).max(0).values
    assert (ratio.abs() <= furthest + MAX_ADDED).all()
    assert (bound.spread(no_widths) >= limited.header.base_spread).all()
