"""Two sets of samples agree, or not, within the noise floors that they state."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from lpnet import samples_file
from lpnet.agreement import Agreement, agreement, measured_side
from lpnet.cli.agreeing import EXIT_DIFFER, EXIT_UNKNOWN
from lpnet.cli.main import app
from lpnet.schemas.sample import Sample

START = datetime(2026, 1, 31, 12, tzinfo=UTC)
RECORDED = Path(__file__).parents[2] / "data" / "noise"
Samples = list[Sample]


def samples(
    name: str, *, workloads: int = 30, noise: float = 0.01, shift: float = 0.0, seed: int = 0
) -> Samples:
    """Two sessions five minutes apart, with normal noise. Workloads take 1, 2, 3... ms."""
    rng = np.random.default_rng(seed)
    rows = []
    for session in range(2):
        for index in range(workloads):
            op = {"type": "linear", "c_in": index + 1, "c_out": 8}
            ms = (index + 1) * (1 + shift) * float(np.exp(rng.normal(0, noise)))
            row = {
                "kind": "block",
                "workload": {"ops": [op], "batch": 1},
                "latency_ms": ms,
                "session": f"{name}{session}",
                "measured_at": START + timedelta(minutes=5 * session),
            }
            rows.append(Sample.model_validate(row))
    return rows


def compared(a: Samples, b: Samples) -> Agreement:
    return agreement(measured_side("a", a), measured_side("b", b))


def test_noise_alone_agrees() -> None:
    result = compared(samples("a", seed=1), samples("b", seed=2))
    assert (result.verdict, result.workloads) == ("agree", 30)
    assert result.ratio_interval is not None
    assert result.ratio_interval[0] < 1 < result.ratio_interval[1]


def test_noise_alone_rarely_differs() -> None:
    verdicts = [
        compared(samples("a", seed=2 * n), samples("b", seed=2 * n + 1)).verdict for n in range(60)
    ]
    assert verdicts.count("differ") <= 1
    assert verdicts.count("agree") >= 57


def test_a_shift_beyond_the_noise_differs() -> None:
    result = compared(samples("a", seed=1), samples("b", seed=2, shift=0.1))
    assert result.verdict == "differ"
    assert result.ratio == pytest.approx(1.1, rel=0.01)
    assert result.within_pct == pytest.approx(0, abs=10)
    assert "is above" in result.reason


def test_the_combined_floor_is_the_median_difference_that_noise_makes() -> None:
    """Of sides of unlike noise, with a single session each to compare."""
    a = measured_side("a", samples("a", workloads=4000, noise=0.004, seed=1))
    b = measured_side("b", samples("b", workloads=4000, noise=0.012, seed=2))
    result = agreement(a, b)
    rng = np.random.default_rng(3)
    differences = rng.normal(0, 0.004, 100_000) - rng.normal(0, 0.012, 100_000)
    assert result.floor_pct == pytest.approx(100 * np.median(np.abs(differences)), rel=0.05)


def test_it_is_unknown_without_a_noise_floor_or_enough_workloads() -> None:
    good = samples("a")
    result = compared(good, samples("b", workloads=9))
    assert result.verdict == "unknown"
    assert "the noise floor of b is unknown: 9 of 10 workloads" in result.reason
    assert result.ratio is not None
    assert result.within_pct is None
    assert compared(good, samples("b", workloads=30)[:30]).verdict == "unknown"
    few = samples("b", workloads=60)[21:60] + samples("b", workloads=60)[81:]
    result = compared(good, few)
    assert result.reason == "they have 9 workloads in common, and 10 are needed"
    nothing = compared(good, [])
    assert (nothing.workloads, nothing.verdict, nothing.ratio) == (0, "unknown", None)


def test_between_the_two_it_is_unclear() -> None:
    """Half of a few workloads are shifted, so the interval of the difference is wide."""
    a = samples("a", workloads=10, seed=1)
    b = samples("b", workloads=10, seed=2)
    b = [
        sample.model_copy(
            update={"latency_ms": sample.latency_ms * (1.5 if index % 10 < 6 else 1)}
        )
        for index, sample in enumerate(b)
    ]
    assert compared(a, b).verdict == "unclear"


def test_disturbed_samples_and_sentinels_are_left_out() -> None:
    marks = ({"disturbed": True, "reasons": ("steal",)}, {"sentinel": "memory"})
    bad = [
        sample.model_copy(update={"latency_ms": 99.0, **mark})
        for sample in samples("c")
        for mark in marks
    ]
    good = samples("a", seed=1)
    assert measured_side("a", good + bad) == measured_side("a", good)


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., tuple[int, str]]:
    """Runs `lpnet compare --noise` on samples that are written to files first."""

    def start(*sides: Samples, options: tuple[str, ...] = ()) -> tuple[int, str]:
        files = []
        for index, side in enumerate(sides):
            file = tmp_path / f"{index}.jsonl"
            samples_file.write(file, side)
            files.append(str(file))
        result = CliRunner().invoke(app, ["compare", *files, "--noise", *options])
        return result.exit_code, result.output

    return start


def test_the_exit_status_is_the_verdict(run: Callable[..., tuple[int, str]]) -> None:
    a, b = samples("a", seed=1), samples("b", seed=2)
    status, output = run(a, b)
    assert (status, "they agree within their noise floors" in output) == (0, True)
    assert "30 workloads in common" in output
    assert "0.jsonl: noise floor" in output
    status, output = run(a, samples("b", shift=0.2))
    assert (status, "they differ by more than" in output) == (EXIT_DIFFER, True)
    status, output = run(a, samples("b", workloads=5))
    assert (status, "it is unknown whether they agree" in output) == (EXIT_UNKNOWN, True)
    assert run(a)[0] == 1


def test_json_has_the_same_facts(run: Callable[..., tuple[int, str]]) -> None:
    status, output = run(samples("a", seed=1), samples("b", seed=2), options=("--json",))
    facts = json.loads(output)
    assert (status, facts["verdict"], facts["workloads"]) == (0, "agree", 30)
    assert [side["workloads"] for side in facts["sides"]] == [30, 30]
    low, high = facts["ratio_interval"]
    assert low < facts["ratio"] < high


def recorded(name: str) -> Samples:
    content = samples_file.read(RECORDED / f"{name}.jsonl")
    assert not content.bad
    return list(content.samples)


def test_recorded_runs_of_a_machine_agree_with_each_other() -> None:
    """Real runs of four sessions; see the README of the folder."""
    a, b = (measured_side(name, recorded(name)) for name in ("first", "second"))
    for side in (a, b):
        assert side.floor.pct is not None
        assert side.floor.workloads >= 10
    assert agreement(a, b).verdict == "agree"


def test_a_recorded_run_differs_from_itself_made_slower() -> None:
    a, b = recorded("first"), recorded("second")
    side = measured_side("first", a)
    assert side.floor.high_pct is not None
    factor = 1 + 4 * side.floor.high_pct / 100
    slower = [s.model_copy(update={"latency_ms": s.latency_ms * factor}) for s in b]
    assert compared(a, slower).verdict == "differ"
