"""Reading a sentinel: measured like any workload, and again if something disturbed it."""

from __future__ import annotations

import structlog

from lpnet.schemas.sample import Sample, Sentinel
from lpnet_agent.errors import Interrupted, MeasureFailed
from lpnet_agent.measure.job import Measures
from lpnet_agent.sentinels.templates import template

log = structlog.get_logger()

TRIES = 3


def read(measurer: Measures, sentinel: Sentinel) -> list[Sample]:
    """Readings of a sentinel, until one is undisturbed or there were TRIES; all as they travel.

    Raises Interrupted when the agent is to end. A reading that failed is left out.
    """
    made = template(sentinel)
    samples: list[Sample] = []
    for _ in range(TRIES):
        try:
            sample = made.told(measurer.measure(made.item(), made.file))
        except Interrupted:
            raise
        except MeasureFailed as error:
            log.warning("sentinel failed", sentinel=sentinel, why=str(error))
            continue
        samples.append(sample)
        if not sample.disturbed:
            break
    return samples


def latency_ms(samples: list[Sample]) -> float | None:
    """The undisturbed reading among them; None where there is none."""
    return next((sample.latency_ms for sample in samples if not sample.disturbed), None)
