"""Reading a sentinel: it is measured like any workload."""

from __future__ import annotations

import structlog

from lpnet.schemas.sample import Sample, Sentinel
from lpnet_agent.errors import Interrupted, MeasureFailed
from lpnet_agent.measure.job import Measures
from lpnet_agent.sentinels.templates import template

log = structlog.get_logger()


def read(measurer: Measures, sentinel: Sentinel) -> Sample | None:
    """A reading of a sentinel, as it travels; None where it failed.

    It is visited again, further and further apart, until nothing disturbs it or the measurer's
    patience ends. Raises Interrupted when the agent is to end.
    """
    made = template(sentinel)
    try:
        return made.told(measurer.measure(made.item(), made.file))
    except Interrupted:
        raise
    except MeasureFailed as error:
        log.warning("sentinel failed", sentinel=sentinel, why=str(error))
        return None


def latency_ms(sample: Sample | None) -> float | None:
    """What a reading says; None for one that says nothing."""
    return None if sample is None or sample.disturbed else sample.latency_ms
