"""LPNet files: what goes in comes out, and what is wrong is said."""

from __future__ import annotations

import json
import resource
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from tests.harness import tokens

from lpnet.errors import FileFormatError, NotCovered
from lpnet.model.ensemble import Ensemble, EnsembleHeader
from lpnet.model.files import load, read, read_header, save
from lpnet.model.header import Calibration
from lpnet.model.kernels import coverage
from lpnet.model.static_features import FIRST_STATIC, STATIC


@pytest.fixture(scope="module")
def lpnet(residual_table: Any) -> Ensemble:
    header = EnsembleHeader(
        target="t",
        members=2,
        hidden=4,
        batches=(1, 8),
        coverage=coverage(residual_table()),
        calibration=Calibration(coverages=(0.9,), block=(1.5,), network=(2.0,)),
        noise_floor_pct=0.7,
    )
    return Ensemble(header)


def test_a_header_that_asks_for_gigabytes_takes_none(lpnet: Ensemble) -> None:
    header = lpnet.header.model_copy(update={"members": 64, "hidden": 4096})
    tensors = {"w1": torch.zeros(1)}
    data = safetensors.torch.save(tensors, {"lpnet": header.model_dump_json(exclude_none=True)})
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(FileFormatError, match="is missing"):
        load(data)
    # 64 hidden layers of 4096 x 4096 would take 4 GiB.
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 << 10


def test_a_header_that_is_nested_without_end_is_refused() -> None:
    deep = b"[" * 1_000_000
    with pytest.raises(FileFormatError, match="no safetensors header"):
        load(struct.pack("<Q", len(deep)) + deep)


def test_round_trip(lpnet: Ensemble, residual_table: Any, tmp_path: Path) -> None:
    data = save(lpnet)
    again = load(data)
    assert again.header == lpnet.header == read_header(data)
    widths = torch.zeros(0)
    table = residual_table()
    assert torch.equal(again.bind(table, 8)(widths), lpnet.bind(table, 8)(widths))
    assert save(again) == data
    (tmp_path / "x.lpnet").write_bytes(data)
    assert read(tmp_path / "x.lpnet").header == lpnet.header


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "shorter"),
        (b"x" * 200, "no safetensors header"),
        (struct.pack("<Q", 2) + b"{}", "not of an LPNet"),
        (safetensors.torch.save({"w": torch.zeros(1)}), "not of an LPNet"),
    ],
)
def test_other_files_are_refused(data: bytes, said: str) -> None:
    with pytest.raises(FileFormatError, match=said):
        load(data)


def test_a_cut_file_is_refused(lpnet: Ensemble, tmp_path: Path) -> None:
    (tmp_path / "cut").write_bytes(save(lpnet)[:-10])
    with pytest.raises(FileFormatError, match=r"cut: not a whole safetensors file"):
        read(tmp_path / "cut")


def test_a_file_from_before_there_were_more_features_predicts_the_same(
    residual_table: Any,
) -> None:
    data = (Path(__file__).parent / "first_features.safetensors").read_bytes()
    lpnet, no_widths = load(data), torch.zeros(0)
    assert isinstance(lpnet, Ensemble)
    assert lpnet.header.static == FIRST_STATIC < STATIC
    assert save(lpnet) == data
    tables = (residual_table(24, 144), residual_table(17, 97, "silu"))
    predicted = [[float(lpnet.bind(t, batch)(no_widths)) for t in tables] for batch in (1, 8)]
    expected = [[0.80007869, 0.45506328], [6.37162638, 3.62297416]]
    np.testing.assert_allclose(predicted, expected, rtol=1e-6)
    # What it was not trained on has other names, so it does not price it.
    with pytest.raises(NotCovered, match="norm layer; move transpose; matmul; softmax"):
        lpnet.bind(tokens.table(), 1)


def _with(lpnet: Ensemble, header: dict[str, Any], tensors: dict[str, torch.Tensor]) -> bytes:
    whole = {**lpnet.header.model_dump(mode="json"), **header}
    return safetensors.torch.save({**lpnet.state_dict(), **tensors}, {"lpnet": json.dumps(whole)})


@pytest.mark.parametrize(
    ("header", "tensors", "said"),
    [
        ({"format": 2}, {}, "format"),
        ({"static": 7}, {}, "train again"),
        ({"mystery": 1}, {}, "mystery"),
        ({"hidden": 5}, {}, r"tensor 'b1' is .* the header says"),
        ({}, {"extra": torch.zeros(1)}, "tensor 'extra' is extra"),
        ({}, {"b3": torch.full((2, 1, 2), torch.nan)}, "'b3' holds NaN"),
        ({}, {"b3": torch.zeros(2, 1, 2).double()}, "'b3' is torch.float64"),
    ],
)
def test_wrong_contents_are_named(
    lpnet: Ensemble, header: dict[str, Any], tensors: dict[str, torch.Tensor], said: str
) -> None:
    with pytest.raises(FileFormatError, match=said):
        load(_with(lpnet, header, tensors))
