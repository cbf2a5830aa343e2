"""Measure a user's own network as it is."""

from __future__ import annotations

from lpnet.progress import Progress
from lpnet.schemas.sample import Measurement
from lpnet.stop import Stop
from lpnet_agent.errors import Interrupted, MeasureFailed
from lpnet_agent.measure.job import Measurer
from lpnet_agent.offline.network_file import NetworkFile


def measure_network(
    measurer: Measurer, network: NetworkFile, stop: Stop, progress: Progress
) -> Measurement:
    """Visit the network until its visits agree, or their number reaches its limit.

    Raises MeasureFailed with the reason.
    """
    schedule = measurer.schedule
    for number in range(2 * schedule.visits):
        if number:
            stop.wait(schedule.gap_before_s(number))
        if stop.is_set():
            break
        progress("measuring", number, schedule.visits)
        measurement = measurer.visit_file(network.path, first=number == 0)
        if measurement is not None:
            return measurement
    if stop.is_set():
        raise Interrupted("the command was ended")
    raise MeasureFailed("the measuring process had to be replaced too often")
