"""Reading a sentinel: it is measured like any workload."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from lpnet.schemas.sample import Sample, Sentinel
from lpnet_agent.errors import Interrupted, MeasureFailed
from lpnet_agent.measure.job import SupportsMeasure
from lpnet_agent.sentinels.health import Reading
from lpnet_agent.sentinels.templates import template

log = structlog.get_logger()

# A job waits meanwhile; a reading that stays disturbed proves nothing, and is taken again soon.
_VISITS = 3


def read(
    measurer: SupportsMeasure,
    sentinel: Sentinel,
    should_continue: Callable[[], bool] | None = None,
) -> Sample | None:
    """A reading of a sentinel, as it travels; None where it failed.

    It is visited at most three times. `go_on` is called before every visit, and while resting.
    Raises Interrupted when the agent is to end, or once `go_on` says False.
    """
    made = template(sentinel)
    try:
        return made.told(measurer.measure(made.item(), made.file, should_continue, _VISITS))
    except Interrupted:
        raise
    except MeasureFailed as error:
        log.warning("sentinel failed", sentinel=sentinel, why=str(error))
        return None


def reading(sample: Sample | None) -> Reading | None:
    """What a check takes from it."""
    return None if sample is None else Reading(sample.latency_ms, sample.disturbed)


def latency_ms(sample: Sample | None) -> float | None:
    """What a reading says; None for one that says nothing."""
    return None if sample is None or sample.disturbed else sample.latency_ms
