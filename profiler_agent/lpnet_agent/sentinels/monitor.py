"""When the sentinels of an agent are checked, and the health that follows from it."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol

import structlog

from lpnet.schemas.sample import Sample
from lpnet_agent.measure.job import SupportsMeasure
from lpnet_agent.measure.probe_levels import UNKNOWN, ProbeLevels
from lpnet_agent.sentinels.health import (
    SENTINELS,
    Check,
    Health,
    Policy,
    apply_check,
    is_conclusive,
    recheck_delay_s,
)
from lpnet_agent.sentinels.readings import read_sentinel, to_reading
from lpnet_agent.sentinels.store import SentinelState, SentinelStore

log = structlog.get_logger()

# Until the levels are set, and after an inconclusive check, the next one comes this many times
# sooner, for at most so many checks in a row.
_SOONER_FACTOR, _MAX_SOONER = 4, 10

# Called between the visits of a check; False ends it.
ShouldContinue = Callable[[], bool]


class SentinelMeasurer(SupportsMeasure, Protocol):
    """A measurer, as far as the sentinels need one."""

    @property
    def busy_s(self) -> float:
        """Total time spent measuring, s."""
        ...

    levels: ProbeLevels

    def renew(self) -> None:
        """Start a new session."""
        ...


class SentinelMonitor:
    """Checks the sentinels when a check is due, saves the health, and passes every sample on.

    `every_s` counts seconds of measuring, so that an idle device is left alone. A device that is
    not ready is checked again by the clock, as the policy says.
    """

    def __init__(
        self,
        measurer: SentinelMeasurer,
        store: SentinelStore,
        policy: Policy,
        every_s: float,
        on_samples: Callable[[tuple[Sample, ...]], None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._measurer = measurer
        self._store = store
        self._policy = policy
        self._every_s = every_s
        self._on_samples = on_samples
        self._monotonic = monotonic
        self._state = store.load()
        measurer.levels = self._state.levels
        self._good = False
        self._inconclusive = 0
        self._checked_at_busy_s: float | None = None
        self._recheck_at = 0.0

    @property
    def health(self) -> Health:
        return self._state.health

    @property
    def cleared(self) -> int:
        return self._state.cleared

    @property
    def good_at(self) -> datetime | None:
        """End of the last check that passed, or the start of the first check if none has passed
        yet. None if there was no check since the levels were reset."""
        return self._state.good_at

    def wait_s(self) -> float:
        """Seconds until a device that is not ready is checked again; 0 if a check is due."""
        return max(0.0, self._recheck_at - self._monotonic())

    def is_due(self) -> bool:
        """Whether to check now. The first check of a process is always due."""
        if self._checked_at_busy_s is None:
            return True
        if self.health.state != "ready":
            return self.wait_s() <= 0
        usual = (self._good and self.health.settled) or self._inconclusive >= _MAX_SOONER
        interval_s = self._every_s if usual else self._every_s / _SOONER_FACTOR
        return self._measurer.busy_s - self._checked_at_busy_s >= interval_s

    def check(self, should_continue: ShouldContinue | None = None) -> bool:
        """Make a check, and if it sees a drift, further ones in new sessions.

        `should_continue` is called throughout. Returns whether the check passed, so that
        everything measured until now is valid. Raises Interrupted if the agent is stopping, and
        SetupError if no session can be started.
        """
        if self.health.state != "ready":
            self._measurer.renew()  # one bad session must not keep a device from working
        good = self._check_once(should_continue)
        while not self.health.drifted and self.health.suspected:
            suspected = self.health.suspected
            self._measurer.renew()
            good = self._check_once(should_continue)
            if not self.health.drifted and self.health.suspected == suspected:
                break  # inconclusive because of disturbances; the next check comes soon
        self._good, self._checked_at_busy_s = good, self._measurer.busy_s
        self._inconclusive = 0 if good else self._inconclusive + 1
        self._recheck_at = self._monotonic() + recheck_delay_s(self.health, self._policy)
        return good

    def clear(self, cleared: int) -> None:
        """Reset the levels, because a person has declared the device's current state as normal."""
        log.info("cleared: the sentinels get new levels")
        self._measurer.levels = UNKNOWN
        self._save(Health(), cleared, None)
        self._checked_at_busy_s, self._inconclusive = None, 0

    def _check_once(self, should_continue: ShouldContinue | None) -> bool:
        start = datetime.now(UTC)
        samples = {
            sentinel: read_sentinel(self._measurer, sentinel, should_continue)
            for sentinel in SENTINELS
        }
        successful = tuple(sample for sample in samples.values() if sample is not None)
        if successful:
            self._on_samples(successful)
        check = {sentinel: to_reading(sample) for sentinel, sample in samples.items()}
        before = self.health
        health = apply_check(before, check, self._policy)
        conclusive = is_conclusive(before, check, self._policy)
        good = conclusive and health.state == "ready" and not health.suspected
        self._save(health, self.cleared, datetime.now(UTC) if good else self.good_at or start)
        self._log_check(before, check)
        return good

    def _save(self, health: Health, cleared: int, good_at: datetime | None) -> None:
        self._state = SentinelState(
            target=self._state.target,
            spaces=self._state.spaces,
            health=health,
            levels=self._measurer.levels,
            cleared=cleared,
            good_at=good_at,
        )
        self._store.save(self._state)

    def _log_check(self, before: Health, check: Check) -> None:
        readings = {name: reading and f"{reading.ms:.4g}" for name, reading in check.items()}
        log.debug("sentinels", **readings)
        if self.health.state != before.state:
            log.warning("condition", state=self.health.state, reason=self.health.message)
        elif self.health.suspected:
            log.info("a sentinel drifts; checking again in a new process", **readings)
