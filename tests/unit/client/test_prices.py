"""Tables of prices for solvers outside of lpnet."""

from __future__ import annotations

import importlib.util
import json
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from tests.harness import comb

from lpnet.cli.prices import PriceFormat, price_rows, write_prices
from lpnet.client import Client
from lpnet.errors import LpnetError
from lpnet.model.ensemble import Ensemble, EnsembleHeader
from lpnet.model.header import Calibration
from lpnet.model.kernels import coverage
from lpnet.predictor.predictor import Predictor
from lpnet.space.space import Space


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    """Its prices are those of initial weights."""
    space = Space.from_model(comb.network(), torch.zeros(1, 3, 32, 32), name="comb")
    header = EnsembleHeader(
        target="desk",
        seed=0,
        batches=(1,),
        coverage=tuple(coverage(space.table)),
        calibration=Calibration(coverages=(0.5, 0.9), block=(0.7, 1.6), network=(0.7, 1.6)),
    )
    return Predictor(Ensemble(header).requires_grad_(False), space)


@pytest.fixture(scope="module")
def rows(predictor: Predictor) -> list[dict[str, Any]]:
    return list(price_rows(predictor))


def test_rows_are_what_the_predictor_says(
    predictor: Predictor, rows: list[dict[str, Any]]
) -> None:
    space = predictor.space
    assert {row["block"] for row in rows} == {None, *(block.name for block in space.blocks)}
    whole = [row for row in rows if row["block"] is None]
    for row in whole[::7]:
        widths = space.named(space.dense) | {row["width"]: row["channels"]}
        assert row["ms"] == pytest.approx(float(predictor(space.vector(widths))), rel=1e-6)
        assert row["low_ms"] < row["ms"] < row["high_ms"]
    for width in space.widths:
        channels = [row["channels"] for row in whole if row["width"] == width.name]
        assert channels == sorted(channels)
        assert channels[-1] == width.max
        assert len(channels) <= 64


class Stand:
    """The part of a client that is needed: its predictor."""

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor

    def predictor(self, target: str, space: object) -> Predictor:
        return self._predictor


def write(predictor: Predictor, space: Path, out: Path | None, form: PriceFormat | None) -> None:
    write_prices(cast(Client, Stand(predictor)), "desk", str(space), out, form)


@pytest.fixture
def space_file(predictor: Predictor, tmp_path: Path) -> Path:
    file = tmp_path / "space.onnx"
    predictor.space.save(file)
    return file


def test_json_holds_rows_or_a_latency_per_layer(
    predictor: Predictor, rows: list[dict[str, Any]], space_file: Path, tmp_path: Path
) -> None:
    out = tmp_path / "prices.json"
    write(predictor, space_file, out, None)
    content = json.loads(out.read_text())
    assert content["rows"] == rows
    assert (content["target"], content["unit"]) == ("desk", "ms")
    write(predictor, space_file, out, PriceFormat.layers)
    layers = json.loads(out.read_text())["layers"]
    assert set(layers) == {width.name for width in predictor.space.widths}
    for width in predictor.space.widths:
        layer = layers[width.name]
        assert len(layer["channels"]) == len(layer["latency_ms"])
        assert layer["channels"][-1] == width.max


def test_parquet_needs_pyarrow_and_a_file(
    predictor: Predictor, rows: list[dict[str, Any]], space_file: Path, tmp_path: Path
) -> None:
    with pytest.raises(LpnetError, match="needs --out FILE"):
        write(predictor, space_file, None, PriceFormat.parquet)
    out = tmp_path / "prices.parquet"
    if importlib.util.find_spec("pyarrow") is None:
        with pytest.raises(LpnetError, match="pip install pyarrow"):
            write(predictor, space_file, out, None)
        return
    write(predictor, space_file, out, None)
    assert import_module("pyarrow.parquet").read_table(out).to_pylist() == rows
