"""The sentinels of an agent: when they are read, and what is concluded."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol

import structlog

from lpnet.schemas.sample import Sample
from lpnet_agent.measure.job import SupportsMeasure
from lpnet_agent.sentinels.health import SENTINELS, Check, Health, Policy, proves, see, wait_s
from lpnet_agent.sentinels.readings import read, reading
from lpnet_agent.sentinels.store import SentinelState, SentinelStore

log = structlog.get_logger()

# The first readings make the levels, and after one that proved nothing an answer is wanted: these
# come sooner, but where nothing comes of so many in a row, not for ever.
_SOONER, _SOONER_MOST = 4, 10

# Called between visits of a check; False ends it.
ShouldContinue = Callable[[], bool]


class SentinelMeasurer(SupportsMeasure, Protocol):
    """What measures, as far as the sentinels need it."""

    @property
    def busy_s(self) -> float:
        """Seconds of measuring so far."""
        ...

    def renew(self) -> None:
        """Begin a new session."""
        ...


class SentinelMonitor:
    """Reads the sentinels when they are due, keeps what is known, and passes every reading on.

    `every_s` counts seconds of measuring, so an idle device is left alone; a device that is not
    ready is looked at by the clock, at the pace of the policy.
    """

    def __init__(
        self,
        measurer: SentinelMeasurer,
        store: SentinelStore,
        policy: Policy,
        every_s: float,
        pass_on: Callable[[tuple[Sample, ...]], None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._measurer = measurer
        self._store = store
        self._policy = policy
        self._every_s = every_s
        self._pass_on = pass_on
        self._monotonic = monotonic
        self._kept = store.load()
        self._good = False
        self._sooner = 0
        self._busy_s: float | None = None
        self._look_at = 0.0

    @property
    def health(self) -> Health:
        return self._kept.health

    @property
    def cleared(self) -> int:
        """Clearings of the target that were acted on."""
        return self._kept.cleared

    @property
    def good_at(self) -> datetime | None:
        """When the last check ended that found the device as it was. Before any did: when the
        first one began. None: there was no check since the levels began."""
        return self._kept.good_at

    def wait_s(self) -> float:
        """Seconds until a device that is not ready is to be looked at; 0 where it is due."""
        return max(0.0, self._look_at - self._monotonic())

    def due(self) -> bool:
        """Whether to look now. The first look of a process is always due."""
        if self._busy_s is None:
            return True
        if self.health.state != "ready":
            return self.wait_s() <= 0
        late = (self._good and self.health.settled) or self._sooner >= _SOONER_MOST
        pace_s = self._every_s if late else self._every_s / _SOONER
        return self._measurer.busy_s - self._busy_s >= pace_s

    def look(self, should_continue: ShouldContinue | None = None) -> bool:
        """Make a check, and where it sees a drift others in fresh processes. `go_on` is called all
        through it.

        True if the device was found as it was: what was measured until now stands. Raises
        Interrupted when the agent is to end, and BadSetup if no process can be started.
        """
        if self.health.state != "ready":
            self._measurer.renew()  # one bad session must not keep a device from work
        good = self._check(should_continue)
        while not self.health.drifted and self.health.suspected:
            suspected = self.health.suspected
            self._measurer.renew()
            good = self._check(should_continue)
            if not self.health.drifted and self.health.suspected == suspected:
                break  # disturbed all along: it proves nothing, and is tried again soon
        self._good, self._busy_s = good, self._measurer.busy_s
        self._sooner = 0 if good else self._sooner + 1
        self._look_at = self._monotonic() + wait_s(self.health, self._policy)
        return good

    def clear(self, cleared: int) -> None:
        """A person says that the device is as it should be: what is measured now is normal."""
        log.info("cleared: the sentinels get new levels")
        self._keep(Health(), cleared, None)
        self._busy_s, self._sooner = None, 0

    def _check(self, should_continue: ShouldContinue | None) -> bool:
        begun = datetime.now(UTC)
        samples = {
            sentinel: read(self._measurer, sentinel, should_continue) for sentinel in SENTINELS
        }
        told = tuple(sample for sample in samples.values() if sample is not None)
        if told:
            self._pass_on(told)
        check = {sentinel: reading(sample) for sentinel, sample in samples.items()}
        before = self.health
        health = see(before, check, self._policy)
        proven = proves(before, check, self._policy)
        good = proven and health.state == "ready" and not health.suspected
        self._keep(health, self.cleared, datetime.now(UTC) if good else self.good_at or begun)
        self._say(before, check)
        return good

    def _keep(self, health: Health, cleared: int, good_at: datetime | None) -> None:
        self._kept = SentinelState(
            target=self._kept.target,
            spaces=self._kept.spaces,
            health=health,
            cleared=cleared,
            good_at=good_at,
        )
        self._store.save(self._kept)

    def _say(self, before: Health, check: Check) -> None:
        readings = {name: seen and f"{seen.ms:.4g}" for name, seen in check.items()}
        log.debug("sentinels", **readings)
        if self.health.state != before.state:
            log.warning("condition", state=self.health.state, why=self.health.words)
        elif self.health.suspected:
            log.info("a sentinel drifts; looking again in a new process", **readings)
