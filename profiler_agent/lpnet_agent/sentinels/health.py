"""What readings of the sentinels say of a device: a state machine, apart from all timing.

    ready --drift--> suspected --confirmed--> paused --too many re-checks--> broken
      ^                  |                       |                             |
      +------------------+--- every reading within the limit ------------------+

A check is one reading of each sentinel; a sentinel without an undisturbed reading proves nothing.
After several such checks in a row nobody knows what is measured: paused too, until one proves
something.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import floor, log10
from typing import get_args

from pydantic import Field

from lpnet.schemas.base import Wire
from lpnet.schemas.condition import DRIFT_LIMIT_PCT, LEVEL_READINGS, Condition, drift_pct, level
from lpnet.schemas.sample import Sentinel

SENTINELS: tuple[Sentinel, ...] = get_args(Sentinel)

# Checks in a row that prove nothing until a target is paused for it.
UNPROVEN_MOST = 5

# Latency in ms by sentinel; null: disturbed, or it could not be measured.
Check = Mapping[Sentinel, float | None]


@dataclass(frozen=True)
class Policy:
    """Limits, in percent and in re-checks, and the pace of re-checks in seconds."""

    drift_pct: float = DRIFT_LIMIT_PCT
    broken_pct: float = 25.0
    broken_after: int = 6
    cool_s: float = 20.0
    cool_most_s: float = 300.0


class Health(Wire):
    """What is known of a device. `first_ms` are the readings that make the levels.

    `drifted`: a drift was confirmed, which is why it is paused or broken; `reason` says which.
    `suspected` counts checks in a row that saw a drift before that, `failed` the re-checks since
    that did not find the device as it was, `waits` all re-checks, `unproven` the latest checks in
    a row that proved nothing.
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
        if self.reason is None or not self.drifted or self.unproven < UNPROVEN_MOST:
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

    @property
    def pct(self) -> float:
        return drift_pct(self.now_ms, self.level_ms)

    def __str__(self) -> str:
        way = "slower" if self.pct > 0 else "faster"
        return (
            f"sentinel {self.sentinel} is {abs(self.pct):.1f}% {way} than the level of this epoch "
            f"({_shown(self.level_ms)} ms, now {_shown(self.now_ms)} ms)"
        )


def _shown(ms: float) -> str:
    """Three digits, zeros included."""
    return f"{ms:.{max(0, 2 - floor(log10(ms)))}f}"


def see(health: Health, check: Check, policy: Policy) -> Health:
    """What is known once a check was made. Of a check that proves nothing, only what its
    undisturbed readings add to the levels."""
    worst = max(_drifts(health, check), key=lambda drift: abs(drift.pct), default=None)
    health = _with(health, first_ms=_taken_in(health, check))
    if worst is not None and abs(worst.pct) > policy.drift_pct:
        return _drifted(_with(health, unproven=0), worst, policy)
    if not proves(check):
        return _unproven(health, check)
    return Health(first_ms=health.first_ms)


def proves(check: Check) -> bool:
    """Whether every sentinel had an undisturbed reading."""
    return all(check.get(sentinel) is not None for sentinel in SENTINELS)


def wait_s(health: Health, policy: Policy) -> float:
    """Seconds until a device that is not ready is checked again: doubling, then the slowest."""
    if health.state == "broken":
        return policy.cool_most_s
    return min(policy.cool_most_s, policy.cool_s * 2.0 ** min(health.waits, 32))


def _drifts(health: Health, check: Check) -> list[Drift]:
    found = []
    for sentinel, now_ms in check.items():
        level_ms = health.level_ms(sentinel)
        if level_ms is not None and now_ms is not None:
            found.append(Drift(sentinel, level_ms, now_ms))
    return found


def _drifted(health: Health, worst: Drift, policy: Policy) -> Health:
    far = abs(worst.pct) > policy.broken_pct
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


def _unproven(health: Health, check: Check) -> Health:
    """A check without an undisturbed reading of every sentinel."""
    unproven = health.unproven + 1
    waits = health.waits + (health.state != "ready")
    seen = _with(health, unproven=unproven, waits=waits)
    if health.drifted or unproven < UNPROVEN_MOST:
        return seen
    mute = " and ".join(name for name in SENTINELS if check.get(name) is None)
    reason = (
        f"no undisturbed reading of sentinel {mute} in the last {UNPROVEN_MOST} checks or more, "
        f"so nobody knows whether the device is the same: {_DISTURBED}"
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
    for sentinel, now_ms in check.items():
        first = taken.get(sentinel, ())
        if now_ms is not None and len(first) < LEVEL_READINGS:
            taken[sentinel] = (*first, now_ms)
    return taken


def _with(health: Health, **changed: object) -> Health:
    return health.model_copy(update=changed)
