"""Reports on a terminal, of this version and of older ones."""

from __future__ import annotations

from typing import Any

import pytest

from lpnet.cli.show_report import print_report
from lpnet.schemas.report import (
    Baselines,
    CandidateErrors,
    Cuts,
    GranuleChange,
    HeldOut,
    Interval,
    Report,
    SuspectSample,
    TableWarning,
    TrainedOn,
)

# A report as it was stored before there were cuts, block intervals and warnings.
OLD: dict[str, Any] = {
    "target": "t",
    "lpnet": None,
    "epoch": 1,
    "seed": 0,
    "trained_on": {"block": 30, "network": 4000},
    "noise_floor_pct": 0.5,
    "held_out": dict.fromkeys(HeldOut.model_fields),
    "baselines": {name: {"block": None, "network": None} for name in Baselines.model_fields},
    "granule_change": None,
    "regret_pct": None,
    "interval": {"asked_pct": 90, "covered_pct": None, "mean_width_pct": None},
    "reasons": {"granule_change": "comes with a later version"},
}


def _printed(report: Report, capsys: pytest.CaptureFixture[str]) -> str:
    print_report(report)
    return " ".join(capsys.readouterr().out.split())


def test_an_older_report_is_read_and_says_what_it_lacks(
    capsys: pytest.CaptureFixture[str],
) -> None:
    report = Report.model_validate(OLD)
    assert not report.warnings
    assert not report.calibration_block
    assert "trained_on" not in report.baselines.model_dump()["gaussian_process"]
    text = _printed(report, capsys)
    assert "small changes of a width: unknown, comes with a later version" in text
    assert "interval" not in text


def test_a_report_shows_the_interval_of_the_noise_floor(
    capsys: pytest.CaptureFixture[str],
) -> None:
    report = Report.model_validate(OLD | {"noise_floor_low_pct": 0.3, "noise_floor_high_pct": 0.9})
    assert "noise floor 0.50% (95% interval 0.30 to 0.90%)" in _printed(report, capsys)


def test_a_report_shows_changes_intervals_and_warnings(capsys: pytest.CaptureFixture[str]) -> None:
    old = Report.model_validate(OLD)
    part = TrainedOn(block=30, network=2000)
    gaussian = old.baselines.gaussian_process.model_copy(update={"trained_on": part})
    message = "2 samples are odd: sample [b]s1 (0.3)"
    suspect = SuspectSample(sample="s1", workload="k", latency_ms=0.3)
    report = old.model_copy(
        update={
            "baselines": old.baselines.model_copy(update={"gaussian_process": gaussian}),
            "cuts": Cuts(n=40, held_out=1),
            "granule_change": GranuleChange(n=22, spearman=0.91, median_rel_error_pct=12.0),
            "regret_pct": 4.5,
            "interval_block": Interval(asked_pct=90, covered_pct=88.0, mean_width_pct=9.0),
            "warnings": (TableWarning(kind="noisy", message=message, n=2, samples=(suspect,)),),
            "reasons": {"held_out.batch": "3 workloads have batch sizes without a sample"},
        }
    )
    assert Report.model_validate_json(report.model_dump_json()) == report
    text = _printed(report, capsys)
    for part_of_text in (
        f"noisy: {message}",
        "gaussian process: learned from 30 blocks and 2000 networks only",
        "not tested: 3 workloads have batch sizes",
        "90% interval: covers 88% of held-out blocks, mean width 9.0%",
        "(40 pairs of workloads, one or both held out): rank correlation 0.910 over 22 changes",
        "regret of the ten best cuts: they save 4.5% less",
    ):
        assert part_of_text in text


def test_a_report_names_its_kind_and_the_candidates(capsys: pytest.CaptureFixture[str]) -> None:
    candidates = (
        CandidateErrors(kind="op_process", mean_pct=2.31, median_pct=1.5),
        CandidateErrors(kind="ensemble", mean_pct=4.0, median_pct=3.0),
    )
    chosen = {"kind": "op_process", "candidates": candidates}
    report = Report.model_validate(OLD).model_copy(update=chosen)
    assert Report.model_validate_json(report.model_dump_json()) == report
    text = _printed(report, capsys)
    assert "kind: op process, by the mean errors in cross-validation: op process 2.3%" in text
    assert "ensemble 4.0%" in text
    alone = report.model_copy(update={"candidates": None})
    assert "kind: op process small changes" in _printed(alone, capsys)


def test_an_unknown_regret_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    change = GranuleChange(n=12, spearman=None, median_rel_error_pct=12.0)
    known = {"cuts": Cuts(n=12, held_out=2), "granule_change": change}
    reasons = {"reasons": {"regret_pct": "only 12 single cuts; 20 are needed"}}
    text = _printed(Report.model_validate(OLD).model_copy(update=known | reasons), capsys)
    assert "both held out): rank correlation - over 12 changes" in text
    assert "regret of the ten best cuts: unknown, only 12 single cuts; 20 are needed" in text
