"""The level that readings of the probes are compared with, and scaled to."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from lpnet.schemas.base import Wire
from lpnet_agent.measure.probes import Probes

# A visit with fewer readings says nothing of a level.
_MIN_READINGS = 5
# Clocks vary by some percent between quiet periods, by load of the whole package. A neighbour on
# the other hyperthread slows arithmetic by 20% and more.
CLOCK_RANGE = 0.12
# The level moves towards each visit by at most this share over the number of visits. It converges
# to their median if they scatter by about as much, and after some minutes it hardly moves.
_FIRST_STEP = 0.02


class ProbeLevels(Wire):
    """What the probes usually take on this device in this epoch, ns; null: not known yet.

    It is the running median of so many `visits` (Robbins and Monro, A stochastic approximation
    method, 1951).
    """

    arithmetic_ns: float | None = Field(default=None, gt=0)
    visits: int = Field(default=0, ge=0)

    def improved(self, probes: Probes | None) -> ProbeLevels:
        """The levels after another visit.

        One that is slower than clocks vary ran beside a neighbour, and does not count. One that is
        faster shows that all visits before did, and sets the level anew.
        """
        if probes is None or probes.at.size < _MIN_READINGS:
            return self
        visit_ns = float(np.median(probes.arithmetic_ns))
        level_ns = self.arithmetic_ns
        if level_ns is None or visit_ns * (1 + CLOCK_RANGE) < level_ns:
            return ProbeLevels(arithmetic_ns=visit_ns, visits=1)
        if visit_ns > (1 + CLOCK_RANGE) * level_ns:
            return self
        step = _FIRST_STEP / (self.visits + 1)
        factor = min(max(visit_ns / level_ns, 1 - step), 1 + step)
        return ProbeLevels(arithmetic_ns=level_ns * factor, visits=self.visits + 1)


UNKNOWN = ProbeLevels()
