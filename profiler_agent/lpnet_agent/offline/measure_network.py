"""Measure a user's own network as it is, and without its subnormal weights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import structlog

from lpnet.progress import Progress
from lpnet.schemas.sample import Measurement
from lpnet.stop import Stop
from lpnet_agent.errors import Interrupted, MeasureFailed
from lpnet_agent.measure.job import Measurer
from lpnet_agent.offline.network_file import NetworkFile

log = structlog.get_logger()


@dataclass(frozen=True)
class NetworkResult:
    """The measurement of a network, and that of the same graph with its subnormal weights at zero:
    None if it has none, or could not be measured so."""

    measurement: Measurement
    zeroed: Measurement | None = None

    @property
    def slowdown(self) -> float | None:
        """How many times longer the network takes because of its subnormal weights."""
        if self.zeroed is None:
            return None
        return self.measurement.latency_ms / self.zeroed.latency_ms


def measure_network(
    measurer: Measurer, network: NetworkFile, stop: Stop, progress: Progress
) -> NetworkResult:
    """Measure the network, then its copy without subnormal weights, in the same session.

    Raises MeasureFailed with the reason if the network itself cannot be measured.
    """
    measurement = _measure(measurer, network.path, stop, progress, "measuring")
    if network.zeroed_path is None:
        return NetworkResult(measurement)
    stage = "measuring without subnormal weights"
    try:
        zeroed = _measure(measurer, network.zeroed_path, stop, progress, stage)
    except Interrupted:
        raise
    except MeasureFailed as error:
        log.warning("not measured without subnormal weights", error=str(error))
        return NetworkResult(measurement)
    return NetworkResult(measurement, zeroed)


def _measure(
    measurer: Measurer, file: Path, stop: Stop, progress: Progress, stage: str
) -> Measurement:
    """Visit a network until its visits agree, or their number reaches its limit."""
    schedule = measurer.schedule
    for number in range(2 * schedule.visits):
        if number:
            stop.wait(schedule.gap_before_s(number))
        if stop.is_set():
            break
        progress(stage, number, schedule.visits)
        measurement = measurer.visit_file(file, first=number == 0)
        if measurement is not None:
            return measurement
    if stop.is_set():
        raise Interrupted("the command was ended")
    raise MeasureFailed("the measuring process had to be replaced too often")
