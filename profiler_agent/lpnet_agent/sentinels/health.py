"""What readings of the sentinels say of a device: a state machine, apart from all timing.

    ready --drift--> suspected --confirmed--> paused --too many re-checks--> broken
      ^                  |                       |                             |
      +------------------+--- every reading within the limit ------------------+

A check is one reading of each sentinel. Disturbances only add time, so a disturbed reading within
the limit nevertheless shows that the device is not slower than it was, and one that is faster by
more that it has changed; one that is slower proves nothing. After several checks in a row that
prove nothing nobody knows what is measured: paused too, until one does. Before a sentinel has its
level a disturbed reading only puts that off.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import floor, log10
from typing import get_args

from pydantic import Field

from lpnet.schemas.base import Wire
from lpnet.schemas.condition import (
    DRIFT_LIMIT_PCT,
    LEVEL_READINGS,
    Condition,
    drift_pct,
    level,
    limit_pct,
)
from lpnet.schemas.sample import Sentinel

SENTINELS: tuple[Sentinel, ...] = get_args(Sentinel)

# Checks in a row that prove nothing until a target is paused for it.
MAX_UNPROVEN = 5


@dataclass(frozen=True)
class Reading:
    """What a sentinel took, ms; `disturbed`: without what got in the way it would be less."""

    ms: float
    disturbed: bool = False


# By sentinel; None where it could not be measured.
Check = Mapping[Sentinel, Reading | None]


@dataclass(frozen=True)
class Policy:
    """Limits, in percent and in re-checks, and the pace of re-checks in seconds. `drift_pct` is
    the least limit: see `limit_pct` in the schemas."""

    drift_pct: float = DRIFT_LIMIT_PCT
    broken_pct: float = 25.0
    broken_after: int = 6
    cool_s: float = 20.0
    cool_most_s: float = 300.0


class Health(Wire):
    """What is known of a device. `first_ms` are the readings that make the levels.

    `drifted`: a drift was confirmed, which is why it is paused or broken; `reason` says which.
    `suspected` counts checks in a row that saw a drift before that, `failed` the re-checks since
    that did not find the device as it was, `waits` all re-checks since then, `unproven` the latest
    checks in a row that proved nothing.
    """

    first_ms: dict[Sentinel, tuple[float, ...]] = Field(default_factory=dict)
    state: Condition = "ready"
    reason: str | None = None
    suspected: int = Field(default=0, ge=0)
    failed: int = Field(default=0, ge=0)
    waits: int = Field(default=0, ge=0)
    drifted: bool = False
    unproven: int = Field(default=0, ge=0)

    @property
    def words(self) -> str | None:
        """The reason, and whether re-checks can tell anything at all; None while ready."""
        if self.reason is None or not self.drifted or self.unproven < MAX_UNPROVEN:
            return self.reason
        return f"{self.reason}; re-checks prove nothing now: {_DISTURBED}"

    def level_ms(self, sentinel: Sentinel) -> float | None:
        """The level of a sentinel in ms; None while the readings that make it are too few."""
        first = self.first_ms.get(sentinel, ())
        return level(first) if len(first) >= LEVEL_READINGS else None

    @property
    def settled(self) -> bool:
        """Whether every sentinel has its level."""
        return all(self.level_ms(sentinel) is not None for sentinel in SENTINELS)


_DISTURBED = "other work disturbs them, or they fail; lpnet-agent doctor says more"


@dataclass(frozen=True)
class Drift:
    """How far a sentinel is from its level; negative: faster."""

    sentinel: Sentinel
    level_ms: float
    now_ms: float
    limit_pct: float

    @property
    def over(self) -> bool:
        return abs(self.pct) > self.limit_pct

    @property
    def pct(self) -> float:
        return drift_pct(self.now_ms, self.level_ms)

    def __str__(self) -> str:
        way = "slower" if self.pct > 0 else "faster"
        return (
            f"sentinel {self.sentinel} is {abs(self.pct):.1f}% {way} than the level of this epoch "
            f"({_shown(self.level_ms)} ms, now {_shown(self.now_ms)} ms, "
            f"limit {self.limit_pct:.1f}%)"
        )


def _shown(ms: float) -> str:
    """Three digits, zeros included."""
    return f"{ms:.{max(0, 2 - floor(log10(ms)))}f}"


def see(health: Health, check: Check, policy: Policy) -> Health:
    """What is known once a check was made. Of a check that proves nothing, only what its
    undisturbed readings add to the levels."""
    drifts = [
        drift
        for sentinel, reading in check.items()
        if reading is not None
        and (drift := _drift(health, sentinel, reading, policy)) is not None
        and drift.over
        and not (reading.disturbed and drift.pct > 0)
    ]
    proven = proves(health, check, policy)
    mute = [name for name in SENTINELS if _mute(health, name, check.get(name), policy)]
    health = _with(health, first_ms=_taken_in(health, check))
    if drifts:
        worst = max(drifts, key=lambda drift: abs(drift.pct) / drift.limit_pct)
        return _drifted(_with(health, unproven=0), worst, policy)
    if mute:
        return _unproven(health, mute)
    return Health(first_ms=health.first_ms) if proven else health


def proves(health: Health, check: Check, policy: Policy) -> bool:
    """Whether every sentinel says how the device is, as far as it is known before the check."""
    return all(_tells(health, name, check.get(name), policy) for name in SENTINELS)


def wait_s(health: Health, policy: Policy) -> float:
    """Seconds until a device that is not ready is checked again; after a drift doubling, then the
    slowest."""
    if health.state == "broken":
        return policy.cool_most_s
    if not health.drifted:
        return policy.cool_s  # nothing has to cool down: only a quiet moment is wanted
    return min(policy.cool_most_s, policy.cool_s * 2.0 ** min(health.waits, 32))


def _drift(health: Health, sentinel: Sentinel, reading: Reading, policy: Policy) -> Drift | None:
    """None while the sentinel has no level."""
    level_ms = health.level_ms(sentinel)
    if level_ms is None:
        return None
    limit = limit_pct(health.first_ms[sentinel], policy.drift_pct)
    return Drift(sentinel, level_ms, reading.ms, limit)


def _tells(health: Health, sentinel: Sentinel, reading: Reading | None, policy: Policy) -> bool:
    """Whether a reading says how the device is."""
    if reading is None:
        return False
    if not reading.disturbed:
        return True
    drift = _drift(health, sentinel, reading, policy)
    return drift is not None and drift.pct <= drift.limit_pct


def _mute(health: Health, sentinel: Sentinel, reading: Reading | None, policy: Policy) -> bool:
    """Whether a reading should have said how the device is, and did not."""
    expected = reading is None or health.level_ms(sentinel) is not None
    return expected and not _tells(health, sentinel, reading, policy)


def _drifted(health: Health, worst: Drift, policy: Policy) -> Health:
    # On a device whose sentinels scatter a lot the limit is wider, and far is as much further.
    far = abs(worst.pct) > worst.limit_pct + max(0.0, policy.broken_pct - policy.drift_pct)
    if not health.drifted:
        suspected = health.suspected + 1
        # A drift needs a second reading; one that looks like a broken device needs a third.
        if suspected < (3 if far else 2):
            return _with(health, suspected=suspected)
        return _judged(health, worst, 0, broken=far)
    failed = health.failed + 1
    return _judged(
        health, worst, failed, broken=health.state == "broken" or failed >= policy.broken_after
    )


def _unproven(health: Health, mute: Sequence[Sentinel]) -> Health:
    """A check in which these sentinels said nothing."""
    unproven = health.unproven + 1
    waits = health.waits + health.drifted
    seen = _with(health, unproven=unproven, waits=waits)
    if health.drifted or unproven < MAX_UNPROVEN:
        return seen
    reason = (
        f"no undisturbed reading of sentinel {' and '.join(mute)} in the last {MAX_UNPROVEN} "
        f"checks or more, so nobody knows whether the device is the same: {_DISTURBED}"
    )
    return _with(seen, state="paused", reason=reason)


def _judged(health: Health, worst: Drift, failed: int, *, broken: bool) -> Health:
    if not broken:
        then = "cooling down" if worst.pct > 0 else "waiting for it to settle"
    elif failed:
        then = f"it did not come back in {failed} re-checks; look at the device, or clear it"
    else:
        then = "look at the device, or clear it"
    return Health(
        first_ms=health.first_ms,
        state="broken" if broken else "paused",
        reason=f"{worst}: {then}",
        failed=failed,
        # Paused without a drift before, it begins to cool down now.
        waits=health.waits + 1 if health.drifted else 0,
        drifted=True,
    )


def _taken_in(health: Health, check: Check) -> dict[Sentinel, tuple[float, ...]]:
    taken = dict(health.first_ms)
    for sentinel, reading in check.items():
        first = taken.get(sentinel, ())
        if reading is not None and not reading.disturbed and len(first) < LEVEL_READINGS:
            taken[sentinel] = (*first, reading.ms)
    return taken


def _with(health: Health, **changed: object) -> Health:
    return health.model_copy(update=changed)
