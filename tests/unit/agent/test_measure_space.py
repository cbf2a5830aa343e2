"""Measuring a space without a server judges its samples, and stops where most are disturbed."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import pytest

from lpnet import zoo
from lpnet.progress import quiet
from lpnet.schemas.quality import Quality
from lpnet.schemas.sample import Sample
from lpnet.stop import Stop
from lpnet_agent.measure.job import Measurer, VisitSchedule
from lpnet_agent.measure.messages import Item
from lpnet_agent.offline.measure_space import (
    MeasurePlan,
    SpaceResult,
    measure_space,
    plan_items,
)

SPACE = zoo.space("resnet20")
BUSY = ("other work had its CPU in or just before 9 of 9 runs",)


class Machine:
    """Settles each workload at its second visit. `is_disturbed` takes the number of the sample,
    from 0; sentinels are undisturbed. Each session is two minutes after the one before."""

    schedule = VisitSchedule(gap_s=0.0)

    def __init__(self, is_disturbed: Callable[[int], bool]) -> None:
        self._is_disturbed = is_disturbed
        self._session = 0
        self.samples = 0

    def renew(self) -> None:
        self._session += 1

    def visit(self, item: Item, space_file: Path, *, first: bool, visits: int) -> Sample | None:
        if first:
            return None
        disturbed = self._is_disturbed(self.samples)
        self.samples += 1
        return self._sample(item, disturbed)

    def measure(self, item: Item, *_: object) -> Sample:
        return self._sample(item, False)

    def _sample(self, item: Item, disturbed: bool) -> Sample:
        return Sample(
            id=item.id,
            kind=item.kind,
            workload=item.workload,
            latency_ms=1.0,
            disturbed=disturbed,
            reasons=BUSY if disturbed else (),
            session=f"session{self._session}",
            measured_at=datetime.now(UTC) + timedelta(minutes=2 * self._session),
        )


def run(
    out: Path, machine: Machine, plan: MeasurePlan, stop: Stop | None = None
) -> tuple[SpaceResult, list[Quality]]:
    shown: list[Quality] = []
    result = measure_space(
        cast(Measurer, machine),
        Path("space.onnx"),
        plan_items(SPACE, plan),
        out,
        plan,
        stop or Stop(),
        quiet,
        threads=1,
        on_quality=shown.append,
    )
    return result, shown


def test_a_machine_that_cannot_be_measured_is_left_after_a_dozen(tmp_path: Path) -> None:
    out = tmp_path / "samples.jsonl"
    result, (quality,) = run(out, Machine(lambda n: n % 5 > 0), MeasurePlan(blocks=40, repeats=9))
    assert result.too_disturbed
    assert (result.samples, result.repeated) == (12, 0)
    assert (quality.verdict, quality.disturbed, quality.total) == ("bad", 9, 49)
    assert any("stop other work" in line for line in quality.advice)
    assert result.quality is not None
    assert result.quality.verdict == "bad"
    written = [json.loads(line) for line in out.read_text().splitlines()]
    assert sum("sentinel" not in line for line in written) == 12


def test_measuring_goes_on_if_told_so(tmp_path: Path) -> None:
    plan = MeasurePlan(blocks=30, keep_going=True)
    result, shown = run(tmp_path / "samples.jsonl", Machine(lambda n: True), plan)
    assert (result.samples, result.disturbed, result.too_disturbed) == (30, 30, False)
    assert [quality.measured for quality in shown] == [12, 30]


def test_a_quality_is_shown_again_when_it_gets_worse(tmp_path: Path) -> None:
    plan = MeasurePlan(blocks=60)
    result, shown = run(tmp_path / "samples.jsonl", Machine(lambda n: 12 <= n < 24), plan)
    assert [quality.verdict for quality in shown] == ["good", "poor", "poor"]
    assert not result.too_disturbed
    assert result.samples == 60


def test_repeats_give_a_noise_floor_and_an_expected_error(tmp_path: Path) -> None:
    plan = MeasurePlan(blocks=12, networks=4, repeats=12)
    result, shown = run(tmp_path / "samples.jsonl", Machine(lambda n: False), plan)
    assert result.noise_floor.pct == 0.0
    assert shown[0].expected_error_pct is None
    assert shown[-1].expected_error_source == "the noise floor, of 12 workloads"


def test_repeats_wait_until_they_are_told_to_stop(tmp_path: Path) -> None:
    stop = Stop()

    def stopping(number: int) -> bool:
        if number == 3:
            stop.set()
        return False

    plan = MeasurePlan(blocks=4, repeats=2, repeat_pause_s=3600)
    result, _ = run(tmp_path / "samples.jsonl", Machine(stopping), plan, stop)
    assert result.repeated == 0


@pytest.mark.parametrize("networks", [0, 3])
def test_few_samples_are_judged_at_the_end(tmp_path: Path, networks: int) -> None:
    plan = MeasurePlan(blocks=5, networks=networks)
    result, shown = run(tmp_path / "samples.jsonl", Machine(lambda n: False), plan)
    assert [quality.verdict for quality in shown] == ["good"]
    assert shown[0].measured == result.samples
