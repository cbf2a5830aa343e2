"""Reading a sentinel, which is measured like any workload."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from lpnet.schemas.sample import Sample, Sentinel
from lpnet_agent.errors import Interrupted, MeasureFailed
from lpnet_agent.measure.job import SupportsMeasure
from lpnet_agent.measure.sentinel_workloads import template
from lpnet_agent.sentinels.health import Reading

log = structlog.get_logger()

# Jobs wait meanwhile. A reading that stays disturbed is inconclusive and soon repeated.
_MAX_VISITS = 3


def read_sentinel(
    measurer: SupportsMeasure,
    sentinel: Sentinel,
    should_continue: Callable[[], bool] | None = None,
) -> Sample | None:
    """A sample of a sentinel, as it is sent; None if it failed.

    `should_continue` is called before every visit and while waiting. Raises Interrupted if the
    agent is stopping, or once `should_continue` returns False.
    """
    spec = template(sentinel)
    try:
        sample = measurer.measure(spec.item(), spec.file, should_continue, _MAX_VISITS)
    except Interrupted:
        raise
    except MeasureFailed as error:
        log.warning("sentinel failed", sentinel=sentinel, error=str(error))
        return None
    return spec.to_sent_sample(sample)


def to_reading(sample: Sample | None) -> Reading | None:
    return None if sample is None else Reading(sample.latency_ms, sample.disturbed)


def undisturbed_ms(sample: Sample | None) -> float | None:
    return None if sample is None or sample.disturbed else sample.latency_ms
