"""The study of accuracy: its cells, comparisons, tables and plots."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

import pytest
from benchmarks.accuracy.study import docs, results
from benchmarks.accuracy.study.cells import Cache, Cell, Key
from benchmarks.accuracy.study.comparing import excess, geometric_mean, ratio
from benchmarks.accuracy.study.digests import code_digest
from benchmarks.accuracy.study.figures import Figures
from benchmarks.accuracy.study.markdown import PARTS
from benchmarks.accuracy.study.plots import PLOTS
from benchmarks.accuracy.study.results import Results, Row, TableFacts
from benchmarks.accuracy.study.svg import ticks

WIDTHS = ((8.0, 2.0), (32.0, 4.0))


def cell(seed: int, mape_pct: float, method: str = "ensemble", samples: int = 300) -> Cell:
    thirds = (80.0, 90.0, 99.0), (99.0, 90.0, 80.0)
    own = Figures(mape_pct, 1.0, 2.0, 90.0, 9.0, *thirds, WIDTHS, 1.0, 10)
    key = Key("t", samples, seed, method, "digest")
    return Cell(key, 100, 0, own, None, ((1.0, 1.1), (2.0, 1.9)))


def test_cells_are_read_back_but_not_half_a_line(tmp_path: Path) -> None:
    cache, cells = Cache(tmp_path / "cache"), [cell(0, 3.0), cell(1, 4.0)]
    for own in cells:
        cache.add(own)
    with cache.path.open("a") as file:
        file.write('{"key": {"table"')
    again = Cache(tmp_path / "cache")
    assert list(again.cells.values()) == cells
    assert list(again.of([cells[1].key])) == [cells[1]]


def test_digests_change_with_imported_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "studied"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "shared.py").write_text("X = 1\n")
    (package / "method.py").write_text("from studied.shared import X\nimport json\n")
    (package / "other.py").write_text("Y = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    modules, packages = ["studied.method"], ["studied"]
    before = code_digest(modules, packages)
    (package / "other.py").write_text("Y = 2\n")
    assert code_digest(modules, packages) == before
    (package / "shared.py").write_text("X = 2\n")
    assert code_digest(modules, packages) != before
    sys.modules.pop("studied", None)


def of(method: str, mape_pct: Sequence[float], samples: int = 300) -> list[Row]:
    cells = [cell(seed, error, method, samples) for seed, error in enumerate(mape_pct)]
    return results.rows(cells, frozenset({"ensemble", "ensemble_unaligned"}))


def study(*rows: list[Row], floor_pct: float | None = None) -> Results:
    facts = [TableFacts("t", "a table", 1000, floor_pct)]
    return Results("2026-12-01", "a CPU", facts, [row for own in rows for row in own])


def test_rows_are_over_the_seeds() -> None:
    (row,) = of("ensemble", [3.0, 5.0])
    assert row.seeds == [0, 1]
    assert row.mean_pct == 4.0
    assert row.covered_by_latency == [80.0, 90.0, 99.0]
    assert row.pairs
    assert row.by_width == [(8.0, 2.0), (32.0, 4.0)]


def test_excess_errors_leave_out_the_noise() -> None:
    assert excess(5.0, 3.0) == 4.0
    assert excess(2.0, 3.0) == 0.0
    assert excess(2.0, None) == 2.0


def test_a_kind_is_compared_with_the_best_other_method() -> None:
    report = study(
        of("ensemble", [1.0, 1.1, 1.0, 1.2]),
        of("forest", [2.0, 2.2, 2.0, 2.4]),
        of("lookup", [4.0, 4.0, 4.0, 4.0]),
    )
    own = ratio(report, "t", 300, "ensemble")
    assert own is not None
    assert own.best == "forest"
    assert own.value == pytest.approx(0.5)
    assert own.low == pytest.approx(0.5)
    assert own.better
    assert not own.worse
    assert ratio(report, "t", 100, "ensemble") is None


def test_a_method_with_fewer_seeds_is_not_compared_with() -> None:
    report = study(of("ensemble", [3.0, 4.0]), of("forest", [1.0]), of("lookup", [2.0, 2.0]))
    own = ratio(report, "t", 300, "ensemble")
    assert own is not None
    assert own.best == "lookup"
    assert own.worse


def test_seeds_that_disagree_make_a_wide_interval() -> None:
    report = study(of("ensemble", [1.0, 4.0, 1.0, 4.0]), of("forest", [2.0, 2.0, 2.0, 2.0]))
    own = ratio(report, "t", 300, "ensemble")
    assert own is not None
    assert own.low < 1.0 < own.high
    assert not own.better
    assert not own.worse


def test_ratios_are_of_excess_errors() -> None:
    report = study(of("ensemble", [5.0]), of("forest", [3.0]), floor_pct=3.0)
    own = ratio(report, "t", 300, "ensemble")
    assert own is not None
    assert own.value == pytest.approx(4.0 / 0.1)
    assert math.isnan(own.low)


def test_geometric_means_are_over_tables() -> None:
    pairs = [study(of("ensemble", [a, a]), of("forest", [4.0, 4.0])) for a in (1.0, 4.0)]
    own = [r for report in pairs if (r := ratio(report, "t", 300, "ensemble")) is not None]
    assert geometric_mean(own) == pytest.approx((0.5, 0.5, 0.5))


def test_a_geometric_mean_of_single_seeds_has_no_interval() -> None:
    own = ratio(study(of("ensemble", [1.0]), of("forest", [4.0])), "t", 300, "ensemble")
    assert own is not None
    value, low, high = geometric_mean([own])
    assert value == pytest.approx(0.25)
    assert math.isnan(low)
    assert math.isnan(high)


@pytest.fixture
def report() -> Results:
    return study(
        *(of("ensemble", [3.0, 3.1], n) + of("forest", [6.0, 6.4], n) for n in (100, 300)),
        floor_pct=1.0,
    )


def test_tables_have_every_method(report: Results) -> None:
    errors = PARTS["study errors"](report).splitlines()
    assert errors[0] == "| table | rows | noise floor | LPNet: ensemble | random forest |"
    assert errors[2] == "| a table | 100 | 1.00% | **3.0%** | 6.2% |"
    ratios = PARTS["study ratios"](report)
    assert "| a table | 300 | random forest | 6.1% | **0.47 (0.4" in ratios
    assert "1 tables" in ratios
    assert "| a table | 2 | 2 |" in PARTS["study worst"](report)
    assert "| 300 | 90.0% | 9.0% | 80%, 90%, 99% |" in PARTS["study intervals"](report)
    assert "| LPNet: ensemble | 100 | 1.0, 1.0 | 0.00 MB |" in PARTS["study cost"](report)


def test_an_ablation_is_over_the_seeds_of_both() -> None:
    report = study(of("ensemble", [3.0, 9.0]), of("ensemble_unaligned", [4.0]))
    lines = PARTS["study ablation"](report).splitlines()
    assert lines[0] == "| table | rows | LPNet: ensemble | LPNet: ensemble without alignment |"
    assert lines[2] == "| a table | 300 | 3.0% | 4.0% |"
    assert "alignment" not in PARTS["study errors"](report)


def test_results_are_read_back(report: Results, tmp_path: Path) -> None:
    results.write(report, tmp_path / "study.json")
    assert results.read(tmp_path / "study.json") == report
    assert results.read(tmp_path / "none.json") is None


def test_plots_are_svg(report: Results) -> None:
    for render in PLOTS.values():
        root = ElementTree.fromstring(render(report))
        texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
        assert "a table" in texts
        assert any(text and "LPNet" in text for text in texts)


def test_ticks_are_round_numbers() -> None:
    assert ticks(1.5, 9.0) == [2.0, 5.0]
    assert ticks(0.05, 120.0) == [0.1, 1.0, 10.0, 100.0]


def test_the_page_is_that_of_the_results() -> None:
    report = results.read()
    assert report is not None
    text = docs.PAGE.read_text(encoding="utf-8")
    assert docs.rendered(text, report) == text
    for name, render in PLOTS.items():
        assert docs.PAGE.with_name(name).read_text(encoding="utf-8") == render(report)
