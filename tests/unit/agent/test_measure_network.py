"""A network is measured, then without its subnormal weights; a failure of the latter costs only
the comparison."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import pytest

from lpnet.progress import quiet
from lpnet.schemas.sample import Measurement
from lpnet.stop import Stop
from lpnet.subnormals import Subnormals
from lpnet_agent.errors import Interrupted, MeasureFailed
from lpnet_agent.measure.job import Measurer, VisitSchedule
from lpnet_agent.offline.measure_network import measure_network
from lpnet_agent.offline.network_file import NetworkFile


class Visits:
    """Answers visits to files with their latencies, in ms, or with an error."""

    schedule = VisitSchedule(visits=2, gap_s=0.0)

    def __init__(self, answers: Mapping[str, float | Exception]) -> None:
        self._answers = answers

    def visit_file(self, model: Path, *, first: bool) -> Measurement | None:
        if first:
            return None
        answer = self._answers[model.name]
        if isinstance(answer, Exception):
            raise answer
        return Measurement(latency_ms=answer, count=9, measured_at=datetime.now(UTC))


def network(zeroed: bool = True) -> NetworkFile:
    path = Path("zeroed.onnx") if zeroed else None
    return NetworkFile(Path("mine.onnx"), "0" * 64, {}, Subnormals(0, 1, ()), zeroed_path=path)


def measure(answers: Mapping[str, float | Exception], zeroed: bool = True) -> float | None:
    visits = cast(Measurer, Visits(answers))
    result = measure_network(visits, network(zeroed), Stop(), quiet)
    assert result.measurement.latency_ms == answers["mine.onnx"]
    return result.slowdown


def test_the_effect_is_the_ratio_to_the_same_network_without_them() -> None:
    assert measure({"mine.onnx": 84.0, "zeroed.onnx": 2.4}) == pytest.approx(35)
    assert measure({"mine.onnx": 84.0}, zeroed=False) is None


def test_without_a_comparison_the_effect_is_unknown() -> None:
    assert measure({"mine.onnx": 2.0, "zeroed.onnx": MeasureFailed("it died")}) is None


@pytest.mark.parametrize("name", ["mine.onnx", "zeroed.onnx"])
def test_a_command_that_is_ended_has_no_result(name: str) -> None:
    answers = {"mine.onnx": 2.0, "zeroed.onnx": 2.0} | {name: Interrupted("ended")}
    with pytest.raises(Interrupted):
        measure(answers)
