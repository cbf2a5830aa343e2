"""The health of a device from readings of its sentinels, as a state machine without any timing.

    ready --drift--> suspected --confirmed--> paused --too many re-checks--> broken
      ^                  |                       |                             |
      +------------------+--- every reading within the limit ------------------+

A check is one reading of each sentinel. Disturbances only add time. A disturbed reading within the
limit therefore still shows that the device is not slower than before, and one that is faster than
the limit shows that it has changed. A disturbed reading that is slower is inconclusive. After
several inconclusive checks in a row the state of the device is unknown, and it is paused until a
check is conclusive. Before a sentinel has its level, a disturbed reading only delays that.
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

# This many inconclusive checks in a row pause a target.
MAX_INCONCLUSIVE = 5


@dataclass(frozen=True)
class Reading:
    """Latency of a sentinel, ms. Without disturbances a `disturbed` one would be lower."""

    ms: float
    disturbed: bool = False


# By sentinel; None if it could not be measured.
Check = Mapping[Sentinel, Reading | None]


@dataclass(frozen=True)
class Policy:
    """Limits in percent and in re-checks, and the delays between re-checks in seconds. `drift_pct`
    is the minimum limit: see `limit_pct` in the schemas."""

    drift_pct: float = DRIFT_LIMIT_PCT
    broken_pct: float = 25.0
    broken_after: int = 6
    cool_s: float = 20.0
    max_cool_s: float = 300.0


class Health(Wire):
    """The health of a device. `first_ms` are the readings that set the levels.

    `drifted`: it is paused or broken because a drift was confirmed, which `reason` describes.
    `suspected` counts consecutive checks that saw a drift before it was confirmed. Since the
    confirmation, `failed` counts the re-checks that saw it again, and `waits` all re-checks.
    `unproven` counts the latest consecutive inconclusive checks.
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
    def message(self) -> str | None:
        if self.reason is None or not self.drifted or self.unproven < MAX_INCONCLUSIVE:
            return self.reason
        return f"{self.reason}; re-checks are inconclusive: {_DISTURBED}"

    def level_ms(self, sentinel: Sentinel) -> float | None:
        first = self.first_ms.get(sentinel, ())
        return level(first) if len(first) >= LEVEL_READINGS else None

    @property
    def settled(self) -> bool:
        return all(self.level_ms(sentinel) is not None for sentinel in SENTINELS)


_DISTURBED = "other work disturbs them, or they fail; run lpnet-agent doctor for details"


@dataclass(frozen=True)
class Drift:
    """The distance of a sentinel from its level, and the limit for it."""

    sentinel: Sentinel
    level_ms: float
    current_ms: float
    limit_pct: float

    @property
    def over_limit(self) -> bool:
        return abs(self.pct) > self.limit_pct

    @property
    def pct(self) -> float:
        """Percent; negative if it is faster."""
        return drift_pct(self.current_ms, self.level_ms)

    def __str__(self) -> str:
        direction = "slower" if self.pct > 0 else "faster"
        return (
            f"sentinel {self.sentinel} is {abs(self.pct):.1f}% {direction} than the level of this "
            f"epoch ({_three_digits(self.level_ms)} ms, now {_three_digits(self.current_ms)} ms, "
            f"limit {self.limit_pct:.1f}%)"
        )


def _three_digits(ms: float) -> str:
    return f"{ms:.{max(0, 2 - floor(log10(ms)))}f}"


def apply_check(health: Health, check: Check, policy: Policy) -> Health:
    """The health after a check. An inconclusive check only contributes its undisturbed readings,
    which set levels."""
    drifts = [
        drift
        for sentinel, reading in check.items()
        if reading is not None
        and (drift := _drift(health, sentinel, reading, policy)) is not None
        and drift.over_limit
        and not (reading.disturbed and drift.pct > 0)
    ]
    conclusive = is_conclusive(health, check, policy)
    unread = [name for name in SENTINELS if _is_unread(health, name, check.get(name), policy)]
    health = _with(health, first_ms=_updated_levels(health, check))
    if drifts:
        worst = max(drifts, key=lambda drift: abs(drift.pct) / drift.limit_pct)
        return _after_drift(_with(health, unproven=0), worst, policy)
    if unread:
        return _after_inconclusive(health, unread)
    return Health(first_ms=health.first_ms) if conclusive else health


def is_conclusive(health: Health, check: Check, policy: Policy) -> bool:
    """Whether every reading shows the state of the device, given the health before the check."""
    return all(_shows_state(health, name, check.get(name), policy) for name in SENTINELS)


def recheck_delay_s(health: Health, policy: Policy) -> float:
    """Seconds until a device that is not ready is checked again. After a drift the delay doubles
    with every re-check."""
    if health.state == "broken":
        return policy.max_cool_s
    if not health.drifted:
        return policy.cool_s  # nothing has to cool down; other work only has to end
    return min(policy.max_cool_s, policy.cool_s * 2.0 ** min(health.waits, 32))


def _drift(health: Health, sentinel: Sentinel, reading: Reading, policy: Policy) -> Drift | None:
    level_ms = health.level_ms(sentinel)
    if level_ms is None:
        return None
    limit = limit_pct(health.first_ms[sentinel], policy.drift_pct)
    return Drift(sentinel, level_ms, reading.ms, limit)


def _shows_state(
    health: Health, sentinel: Sentinel, reading: Reading | None, policy: Policy
) -> bool:
    if reading is None:
        return False
    if not reading.disturbed:
        return True
    drift = _drift(health, sentinel, reading, policy)
    return drift is not None and drift.pct <= drift.limit_pct


def _is_unread(
    health: Health, sentinel: Sentinel, reading: Reading | None, policy: Policy
) -> bool:
    """Whether a reading failed, or is inconclusive although there is a level to compare it
    with."""
    expected = reading is None or health.level_ms(sentinel) is not None
    return expected and not _shows_state(health, sentinel, reading, policy)


def _after_drift(health: Health, worst: Drift, policy: Policy) -> Health:
    # A wider limit, on a device whose sentinels scatter, also raises the limit for broken.
    far = abs(worst.pct) > worst.limit_pct + max(0.0, policy.broken_pct - policy.drift_pct)
    if not health.drifted:
        suspected = health.suspected + 1
        # A drift needs a second reading; one that looks like a broken device needs a third.
        if suspected < (3 if far else 2):
            return _with(health, suspected=suspected)
        return _confirmed(health, worst, 0, broken=far)
    failed = health.failed + 1
    return _confirmed(
        health, worst, failed, broken=health.state == "broken" or failed >= policy.broken_after
    )


def _after_inconclusive(health: Health, unread: Sequence[Sentinel]) -> Health:
    unproven = health.unproven + 1
    waits = health.waits + health.drifted
    counted = _with(health, unproven=unproven, waits=waits)
    if health.drifted or unproven < MAX_INCONCLUSIVE:
        return counted
    reason = (
        f"no undisturbed reading of sentinel {' and '.join(unread)} in the last "
        f"{MAX_INCONCLUSIVE} checks or more, so the state of the device is unknown: {_DISTURBED}"
    )
    return _with(counted, state="paused", reason=reason)


def _confirmed(health: Health, worst: Drift, failed: int, *, broken: bool) -> Health:
    if not broken:
        action = "cooling down" if worst.pct > 0 else "waiting for it to settle"
    elif failed:
        action = f"it did not recover in {failed} re-checks; inspect the device, or clear it"
    else:
        action = "inspect the device, or clear it"
    return Health(
        first_ms=health.first_ms,
        state="broken" if broken else "paused",
        reason=f"{worst}: {action}",
        failed=failed,
        # If it was paused without a drift before, cooling down begins now.
        waits=health.waits + 1 if health.drifted else 0,
        drifted=True,
    )


def _updated_levels(health: Health, check: Check) -> dict[Sentinel, tuple[float, ...]]:
    first_ms = dict(health.first_ms)
    for sentinel, reading in check.items():
        first = first_ms.get(sentinel, ())
        if reading is not None and not reading.disturbed and len(first) < LEVEL_READINGS:
            first_ms[sentinel] = (*first, reading.ms)
    return first_ms


def _with(health: Health, **changed: object) -> Health:
    return health.model_copy(update=changed)
