"""The levels that readings of the probes are compared with, and scaled to."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from lpnet.schemas.base import Wire
from lpnet_agent.measure.probes import Probes
from lpnet_agent.measure.statistics import Values

# A visit with fewer readings says nothing of a level; a quarter of its readings are at it.
_MIN_READINGS, _QUARTILE = 5, 0.25
# Clocks vary by some percent between quiet periods, by load of the whole package. A neighbour on
# the other hyperthread slows arithmetic by 20% and more.
CLOCK_RANGE = 0.12


class ProbeLevels(Wire):
    """What the probes take on this device in this epoch, ns; null: not known yet."""

    arithmetic_ns: float | None = Field(default=None, gt=0)

    def improved(self, probes: Probes | None) -> ProbeLevels:
        """The levels with another visit: its own if there were none, or if it was faster than
        clocks vary, so that a neighbour must have slowed all visits before."""
        if probes is None or probes.at.size < _MIN_READINGS:
            return self
        return self.merged(ProbeLevels(arithmetic_ns=_level(probes.arithmetic_ns)))

    def merged(self, other: ProbeLevels) -> ProbeLevels:
        """The levels of the same epoch after these."""
        level, later = self.arithmetic_ns, other.arithmetic_ns
        if later is None or (level is not None and later * (1 + CLOCK_RANGE) >= level):
            return self
        return other


UNKNOWN = ProbeLevels()


def _level(readings_ns: Values) -> float:
    return float(np.quantile(readings_ns, _QUARTILE))
