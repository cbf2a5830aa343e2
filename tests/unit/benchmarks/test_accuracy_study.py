"""The study of accuracy: its tables, draws and methods, and the command."""

from __future__ import annotations

import gzip
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from benchmarks.accuracy.study import __main__ as command
from benchmarks.accuracy.study import blocks, columns, kinds, tables
from benchmarks.accuracy.study.blocks import MBConv
from benchmarks.accuracy.study.cells import Key, run
from benchmarks.accuracy.study.draws import Draw, draw, enough
from benchmarks.accuracy.study.figures import figures
from benchmarks.accuracy.study.methods import ABLATIONS, Method, methods
from benchmarks.accuracy.study.prediction import Prediction
from benchmarks.accuracy.study.sharing import SharedFits
from benchmarks.accuracy.study.tables import Table

from lpnet.errors import LpnetError
from lpnet.schemas.workload import OpsWorkload
from lpnet.space.table import OpTable
from lpnet_service.training.ensemble import trainer
from lpnet_service.training.ensemble.fitting import QUICK
from lpnet_service.training.registry import TRAINERS

ROWS = 150
HEADER = "block,in_res,in_channels,mid_channels,se_channels,out_channels,kernel,stride,act"
SETTING = {"side": 14, "c_in": 16, "middle": 48, "c_out": 24, "kernel": 3, "stride": 2}
BLOCK = MBConv(**SETTING, squeeze=8, residual=False, function="relu")


def line(middle: int, out: int, latency: float | None = None) -> str:
    ms = 0.1 + 1e-3 * middle * out / 16 if latency is None else latency
    return f"mbconv,14,16,{middle},0,{out},3,1,relu,{ms}"


def write_table(folder: Path, lines: Sequence[str]) -> None:
    path = folder / "latency" / "tfnas_mbconv_width__titan_rtx_b32.csv.gz"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(gzip.compress("\n".join([f"{HEADER},latency_ms", *lines]).encode()))


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a small table in place of the blocks of TF-NAS."""
    monkeypatch.setenv("LPNET_DATA", str(tmp_path))
    sizes = [(24 + 8 * (i % 15), 16 + 8 * (i // 15)) for i in range(ROWS)]
    write_table(tmp_path, [line(*size) for size in sizes])
    return tmp_path


@pytest.fixture
def table(data: Path) -> Table:
    return tables.load("tfnas-gpu")


def test_a_block_has_its_ops_and_their_work() -> None:
    ops = blocks.mbconv(BLOCK)
    assert [op.type for op in OpsWorkload(ops=tuple(ops)).ops] == [
        *("conv2d", "activation", "conv2d", "activation"),
        *("pool", "conv2d", "activation", "conv2d", "activation", "mul"),
        "conv2d",
    ]
    expand, depthwise, squeeze, project = (
        14**2 * 16 * 48,
        7**2 * 9 * 48,
        2 * 8 * 48,
        7**2 * 48 * 24,
    )
    macs = OpTable.from_ops(ops).macs(np.zeros(0))
    assert macs == expand + depthwise + squeeze + project


def test_a_block_that_does_not_expand_has_no_expand_conv() -> None:
    same = MBConv(14, 16, 16, 16, 5, 1, squeeze=0, residual=True, function="relu")
    ops = blocks.mbconv(same)
    assert [op.type for op in ops] == ["conv2d", "activation", "conv2d", "add"]
    assert ops[-1].inputs == (2, -1)


@pytest.mark.parametrize(("middle", "width"), [(16, 8), (64, 16), (120, 32), (408, 104)])
def test_squeeze_widths_are_those_of_ofa(middle: int, width: int) -> None:
    assert blocks.squeeze_width(middle) == width


def test_rows_without_latency_and_repeated_rows_are_dropped(data: Path) -> None:
    write_table(data, [line(24, 16), line(32, 16, 0.0), line(40, 16), line(24, 16, 9.0)])
    loaded = tables.load("tfnas-gpu")
    assert [record.latency_ms for record in loaded.records] == pytest.approx([0.124, 0.14])
    assert loaded.columns.tolist() == [[24.0], [40.0]]
    assert loaded.records[0].batch == 32


def test_what_is_missing_is_named(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(LpnetError, match="no table 'other'; there are tfnas-gpu"):
        tables.load("other")
    with pytest.raises(LpnetError, match=r"no file .*ofa_lut__i7_8700k"):
        tables.load("ofa-i7")
    monkeypatch.delenv("LPNET_DATA")
    with pytest.raises(LpnetError, match="LPNET_DATA must name the folder"):
        tables.load("tfnas-gpu")


def test_names_in_columns_become_numbers() -> None:
    rows = [{"act": "swish", "hs": ""}, {"act": "relu", "hs": "1.0"}]
    assert tables.numbers(rows, ["act", "hs"]).tolist() == [[1.0, 0.0], [0.0, 1.0]]


@pytest.mark.tables
@pytest.mark.parametrize(
    ("name", "count"),
    [
        *(("ofa-i7", 3952), ("ofa-jetson", 840)),
        *(("alexnet-6", 1152), ("alexnet-8", 1536), ("alexnet-10", 1024)),
    ],
)
def test_tables_have_the_rows_that_they_are_judged_on(name: str, count: int) -> None:
    assert len(tables.load(name)) == count


@pytest.mark.tables
def test_blocks_of_tfnas_without_a_latency_are_dropped() -> None:
    cpu = tables.load("tfnas-cpu")
    assert len(cpu) == 4487
    assert cpu.columns.shape[1] == 8
    assert {record.batch for record in cpu.records} == {1}


@pytest.mark.tables
@pytest.mark.parametrize(
    ("name", "floor_pct"), [("alexnet-6", 0.43), ("alexnet-8", 1.32), ("alexnet-10", 0.90)]
)
def test_the_floor_is_that_of_the_layer(name: str, floor_pct: float) -> None:
    assert tables.load(name).floor_pct == pytest.approx(floor_pct, abs=0.02)


def test_draws_with_more_rows_contain_those_with_fewer(table: Table) -> None:
    few, more = (draw(table, samples, seed=1) for samples in (20, 40))
    keys = [{record.key for record in own.training.records} for own in (few, more)]
    assert keys[0] < keys[1]
    assert not keys[1] & {record.key for record in more.test.records}
    assert len(more.test) == ROWS - 40
    assert draw(table, 20, seed=2).training.records != few.training.records


def test_too_few_rows_are_left_to_test(table: Table) -> None:
    assert enough(table, 50)
    assert not enough(table, 51)


def test_rows_with_ops_that_were_not_trained_on_are_counted(data: Path) -> None:
    other = line(24, 16, 1.0).replace(",3,1,", ",5,1,")
    write_table(data, [*(line(24 + 8 * i, 16) for i in range(30)), other])
    loaded = tables.load("tfnas-gpu")
    drawn = next(d for s in range(20) if (d := draw(loaded, 10, s)).uncovered)
    assert drawn.uncovered == 1
    assert len(drawn.test) == 20


def test_distances_are_from_the_nearest_training_row(table: Table) -> None:
    drawn = draw(table, 40, seed=0)
    again = Draw(
        *(drawn.training, drawn.training, drawn.training_columns, drawn.training_columns),
        *(np.ones(40), 0, 0),
    )
    assert again.distance() == pytest.approx(np.zeros(40))
    assert drawn.distance().min() > 0


@pytest.mark.parametrize("name", sorted(set(methods()) - set(TRAINERS) - set(ABLATIONS)))
def test_methods_learn_a_plane(table: Table, name: str) -> None:
    drawn = draw(table, 50, seed=0)
    predicted = methods()[name].run(drawn).ms
    guess = np.exp(np.log(drawn.training.latency).mean())
    errors = [np.abs(p / drawn.test.latency - 1.0).mean() for p in (predicted, guess)]
    assert errors[0] < 0.5 * errors[1]


def test_a_gaussian_process_is_tuned_on_a_part(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = draw(table, 50, seed=0)
    whole = columns.gaussian_process(drawn)
    monkeypatch.setattr(columns, "MAX_STARTED", 10)
    monkeypatch.setattr(columns, "MAX_TUNED", 20)
    part = columns.gaussian_process(drawn)
    assert part.half_width is not None
    assert (part.half_width > 0).all()
    assert not np.array_equal(part.ms, whole.ms)
    assert np.abs(part.ms / drawn.test.latency - 1.0).mean() < 0.05


def test_a_kind_of_latency_model_has_intervals_and_a_file(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trainer, "FULL", QUICK)
    prediction = kinds.run_of("ensemble", SharedFits())(draw(table, 40, seed=0))
    assert prediction.ms.shape == (ROWS - 40,)
    assert prediction.half_width is not None
    assert prediction.file_bytes is not None
    assert prediction.file_bytes > 1000


def test_fits_that_kinds_share_are_made_once(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trainer, "FULL", QUICK)
    drawn, shared = draw(table, 40, seed=0), SharedFits()
    first = kinds.run_of("op_process", shared)(drawn)
    assert shared.reused_s == 0.0
    again = kinds.run_of("op_process", shared)(drawn)
    assert shared.reused_s > 0.0
    assert again.ms.tolist() == first.ms.tolist()
    other = draw(table, 41, seed=0)
    before = shared.reused_s
    kinds.run_of("op_process", shared)(other)
    assert shared.reused_s == before


@pytest.mark.parametrize("name", sorted(ABLATIONS))
def test_kinds_learn_without_features_of_alignment(
    table: Table, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(trainer, "FULL", QUICK)
    drawn = draw(table, 40, seed=0)
    without = methods()[name].run(drawn).ms
    whole = kinds.run_of(ABLATIONS[name], SharedFits())(drawn).ms
    assert not np.allclose(without, whole)


def test_figures_of_a_prediction() -> None:
    measured = np.array([1.0, 2.0, 4.0])
    prediction = Prediction(np.array([1.1, 1.0, 4.0]), np.array([0.2, 0.1, 0.1]), 10)
    own = figures(prediction, measured, np.array([3.0, 2.0, 1.0]), np.array([8.0, 16.0, 4.0]), 0.5)
    assert own.mape_pct == pytest.approx(20.0)
    assert own.median_pct == pytest.approx(10.0)
    assert own.worst_ratio == pytest.approx(2.0)
    assert own.covered_pct == pytest.approx(200 / 3)
    assert own.covered_by_latency == (100.0, 0.0, 100.0)
    assert own.covered_by_distance == (100.0, 0.0, 100.0)
    assert own.width_pct == pytest.approx(100 * (2 * np.sinh(0.2) + 4 * np.sinh(0.1)) / 3)
    np.testing.assert_allclose(own.by_width, [(4.0, 0.0), (8.0, 10.0), (16.0, 50.0)], atol=1e-9)
    negative = Prediction(np.array([-1.0, 2.0, 4.0]))
    below_zero = figures(negative, measured, measured, measured, 0.5)
    assert below_zero.worst_ratio == pytest.approx(1e6)
    assert below_zero.covered_pct is None


def test_what_does_not_apply_is_a_reason(table: Table) -> None:
    def not_a_number(drawn: Draw) -> Prediction:
        return Prediction(np.where(np.arange(len(drawn.test)) < 2, np.nan, 1.0))

    drawn, key = draw(table, 40, seed=0), Key("t", 40, 0, "m", "d")
    cell = run(Method("m", not_a_number, (), False), drawn, key)
    assert cell.figures is None
    assert cell.reason == f"2 of {ROWS - 40} predictions are no numbers"


def test_a_second_run_takes_the_cells_of_the_first(
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = ["--tables", "tfnas-gpu", "--methods", "neighbours", "flops_linear"]
    arguments += ["--samples", "30", "1000", "--seeds", "2", "--cache", str(tmp_path / "cache")]
    monkeypatch.setattr(sys, "argv", ["study", *arguments])
    assert command.main() == 0
    first = capsys.readouterr().out
    assert "tfnas-gpu 30 seed 1 flops_linear: " in first
    assert command.main() == 0
    second = capsys.readouterr().out
    assert "seed" not in second.split("Run on")[0]
    assert second in first


def test_an_unknown_method_ends_the_run(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["study", "--tables", "tfnas-gpu", "--methods", "none"])
    assert command.main() == 2
    assert "no method 'none'; there are " in capsys.readouterr().err
