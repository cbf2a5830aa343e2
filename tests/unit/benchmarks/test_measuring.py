"""The benchmark of measuring: recordings, their truth, simulated neighbours, and the tables."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from benchmarks.measuring import demos, docs, results
from benchmarks.measuring.demos import Demo, Demos
from benchmarks.measuring.judge import Verdict
from benchmarks.measuring.neighbours import Spells, beside
from benchmarks.measuring.recording import RecordedVisit, Recording
from benchmarks.measuring.replay import replay
from benchmarks.measuring.results import Campaign, Results
from benchmarks.measuring.tables import PARTS, caught
from benchmarks.measuring.truth import Truth, truths, usual_levels

from lpnet_agent.measure.probes import Probes
from lpnet_agent.measure.repeats import Repeats

MS = 1_000_000
RECORDINGS = Path(__file__).parents[2] / "data" / "measuring"
LATENCIES_MS = (0.5, 2.0, 12.0)


def visit(workload: int, start: int, slower: float = 1.0) -> RecordedVisit:
    """60 ms of repeats with a probe every 10 ms, all `slower` times as long as usual."""
    rng = np.random.default_rng(start % 2**32)
    count = max(6, int(60 / LATENCIES_MS[workload]))
    ms = LATENCIES_MS[workload] * slower * rng.normal(1, 0.002, count)
    wall = np.round(ms * MS).astype(np.int64)
    started = start + 100_000 + np.concatenate(([0], np.cumsum(wall)[:-1]))
    at = np.arange(start, started[-1] + wall[-1] + 10 * MS, 10 * MS)
    probes = Probes(at, np.round(1000 * slower * rng.normal(1, 0.001, at.size)))
    repeats = Repeats(started, wall, wall, np.zeros_like(wall), inner=1, probes=probes)
    return RecordedVisit(workload, repeats, other_cores=0.05)


@pytest.fixture(scope="module")
def recording() -> Recording:
    """120 rounds; the clock is 3% lower in every third."""
    visits = (
        visit(workload, (3 * number + workload) * 100 * MS, 1.03 if number % 3 == 0 else 1.0)
        for number in range(120)
        for workload in range(3)
    )
    return Recording(("short", "middle", "long"), tuple(visits))


def test_a_recording_is_read_as_it_was_saved(recording: Recording, tmp_path: Path) -> None:
    few = Recording(recording.names, recording.visits[:9])
    few.save(tmp_path / "few.npz")
    loaded = Recording.load(tmp_path / "few.npz")
    assert loaded.names == few.names
    for before, after in zip(few.visits, loaded.visits, strict=True):
        assert after.workload == before.workload
        assert after.other_cores == pytest.approx(before.other_cores)
        assert (after.repeats.started == before.repeats.started - few.visits[0].start).all()
        for name in ("wall", "cpu", "waited"):
            assert (getattr(after.repeats, name) == getattr(before.repeats, name)).all()
        assert before.repeats.probes is not None
        assert after.repeats.probes is not None
        assert (after.repeats.probes.at == before.repeats.probes.at - few.visits[0].start).all()
        assert (after.repeats.probes.arithmetic_ns == before.repeats.probes.arithmetic_ns).all()


def test_the_truth_is_the_latency_at_the_usual_clock(recording: Recording) -> None:
    true = truths(recording)
    for workload, ms in enumerate(LATENCIES_MS):
        assert true[workload].known
        assert true[workload].ms == pytest.approx(ms, rel=0.003)


def test_spells_take_their_share_of_the_time() -> None:
    edges = Spells(1.0, share=0.3).edges(int(1e12))
    assert edges[-1] >= 1e12
    assert (np.diff(edges) >= 0).all()
    busy = (edges[1::2] - edges[::2]).sum()
    assert busy / edges[-1] == pytest.approx(0.3, abs=0.05)


def test_a_neighbour_stretches_repeats_and_probes_within_its_spells(recording: Recording) -> None:
    slowed = beside(recording, Spells(60.0, seed=3))
    factors = [
        float(after.repeats.wall.sum() / before.repeats.wall.sum())
        for before, after in zip(recording.visits, slowed.visits, strict=True)
    ]
    assert {round(factor, 1) for factor in factors} >= {1.0, 1.5}
    assert max(factors) <= 1.5 + 1e-6
    for factor, before, after in zip(factors, recording.visits, slowed.visits, strict=True):
        if factor == pytest.approx(1.5, abs=1e-6):
            assert before.repeats.probes is not None
            assert after.repeats.probes is not None
            ratio = after.repeats.probes.arithmetic_ns / before.repeats.probes.arithmetic_ns
            assert np.median(ratio) == pytest.approx(1.5)


@pytest.mark.parametrize("length_s", [0.03, 1.0, 60.0])
def test_probes_keep_what_a_neighbour_slowed_from_being_accepted(
    recording: Recording, length_s: float
) -> None:
    true, levels = truths(recording), usual_levels(recording)
    scenario = beside(recording, Spells(length_s))
    blind = Verdict.of(list(replay(scenario, true, probed=False)))
    probed = Verdict.of(list(replay(scenario, true, levels=levels)))
    assert blind.plain_off > 0
    assert probed.accepted_off <= 0.02 * probed.samples
    assert probed.error < 0.005


def test_a_clock_that_varies_costs_no_sample(recording: Recording) -> None:
    samples = list(replay(recording, truths(recording), levels=usual_levels(recording)))
    verdict = Verdict.of(samples)
    assert verdict.refused <= 0.03 * verdict.samples
    assert verdict.error < 0.003
    assert verdict.accepted_off == 0


def test_other_cores_that_are_busy_are_other_load(recording: Recording) -> None:
    crowded = Recording(
        recording.names, tuple(replace(visit, other_cores=0.9) for visit in recording.visits)
    )
    assert all(sample.refused for sample in replay(crowded, truths(recording)))


def campaign(kind: str, ms: float, *, disturbed: bool = False) -> Campaign:
    return Campaign(
        kind=kind,
        latency_ms={"a": ms, "unknown": 9.0},
        plain_ms={"a": 1.1, "unknown": 9.0},
        disturbed={"a": disturbed, "unknown": False},
        usual_ms={"a": dict.fromkeys(("naive median", "naive mean"), 1.2)},
        wall_s=4.0,
        busy_s=3.0,
        timed_s=2.0,
        usual_s=1.0,
    )


@pytest.fixture
def outcome() -> Results:
    known, unknown = Truth(1.0, 0.995, 1.005, 300), Truth(9.0, 8.0, 10.0, 20)
    campaigns = [campaign("quiet", 1.01), campaign("cpu", 1.2, disturbed=True)]
    for each in campaigns:
        each.usual_ms["a"] |= dict.fromkeys(("adaptive_autorange", "fixed 50 runs"), 1.3)
    return Results("2026-12-01", "a CPU", 12.0, {"a": known, "unknown": unknown}, campaigns)


def test_only_workloads_with_a_known_truth_are_judged(outcome: Results) -> None:
    quiet, cpu = caught(outcome).splitlines()[2:]
    assert quiet.endswith("| 1 | 1 | 0 | 0 | 1.00% | 0 |")
    assert cpu.endswith("| 1 | 1 | 1 | 0 | - | 0 |")


def test_results_survive_their_file(outcome: Results, tmp_path: Path) -> None:
    results.write(outcome, tmp_path / "campaigns.json")
    assert results.read(tmp_path / "campaigns.json") == outcome
    assert results.read(tmp_path / "missing.json") is None


@pytest.mark.parametrize("name", ["tuned", "judged"])
@pytest.mark.parametrize("length_s", [None, 1.0, 60.0])
def test_rules_hold_on_recordings_of_a_real_machine(name: str, length_s: float | None) -> None:
    """`judged` was recorded after the rules were chosen; others kept this machine busy."""
    recording = Recording.load(RECORDINGS / f"{name}.npz")
    true, levels = truths(recording), usual_levels(recording)
    scenario = recording if length_s is None else beside(recording, Spells(length_s))
    blind = Verdict.of(list(replay(scenario, true, probed=False)))
    probed = Verdict.of(list(replay(scenario, true, levels=levels)))
    assert probed.error < min(0.005, 0.6 * blind.error)
    assert probed.accepted_off <= 0.03 * (probed.samples - probed.refused)
    if length_s is None:
        assert probed.good_refused <= 0.03 * probed.samples


def test_every_part_has_its_section_in_the_page(outcome: Results) -> None:
    runs = Demos(
        "2026-12-01",
        "a CPU",
        [
            Demo(False, 0, 250.0, 240.0, 10.0, 1.5, 2.5, 25.0, None, 18, 17, 0.99, 0.97),
            Demo(True, 3, 60.0, 41.0, 10.0, reason="9 of 12 samples are disturbed"),
        ],
    )
    page = docs.rendered(docs.PAGE.read_text(), docs.parts(outcome, runs))
    for render in PARTS.values():
        assert render(outcome) in page
    row = "| none | 1.50% | 2.5% | 25.0% | unknown | 17 of 18 | 99.0% | 97.0% | 250 | 10 s |"
    assert row in page
    assert "stopped 41 s after measuring began: 9 of 12 samples are disturbed" in page


def test_the_page_shows_the_committed_results() -> None:
    committed = docs.parts(results.read(), demos.read())
    assert committed
    assert docs.rendered(docs.PAGE.read_text(), committed) == docs.PAGE.read_text()
