"""Whether the target may be measured now, as its owner and its sentinels say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from lpnet.schemas.condition import Cause, Condition
from lpnet_agent.owner.policy import OwnerPolicy
from lpnet_agent.owner.rules import Refusal
from lpnet_agent.sentinels.monitor import SentinelMonitor, ShouldContinue


@dataclass(frozen=True)
class Readiness:
    """The condition of the target, as it is reported, and after how many seconds to check again.

    `cause` names what prevents measuring. `drifted`: a sentinel drifted, so samples taken since
    the last passed check, which ended at `since`, are invalid. `confirmed`: a check has just
    passed, so samples taken before it are valid.
    """

    state: Condition = "ready"
    reason: str | None = None
    retry_s: float = 0.0
    cause: Cause | None = None
    drifted: bool = False
    since: datetime | None = None
    confirmed: bool = False


class ReadinessCheck:
    """Checks the owner's rules and the sentinels; called before any work and every workload."""

    def __init__(
        self, owner: OwnerPolicy, monitor: SentinelMonitor, busy_s: Callable[[], float]
    ) -> None:
        self._owner = owner
        self._monitor = monitor
        self._busy_s = busy_s
        self._recorded_s = 0.0

    @property
    def cleared(self) -> int:
        return self._monitor.cleared

    def clear(self, cleared: int) -> None:
        """A person cleared the target; `cleared` counts all such clearings."""
        self._monitor.clear(cleared)

    def check(
        self, *, in_job: bool = False, should_continue: ShouldContinue | None = None
    ) -> Readiness:
        """The current readiness; checks the sentinels if they are due.

        `in_job`: a job has started. `should_continue` is called throughout a sentinel check,
        which takes seconds. Raises Interrupted if the agent is stopping, SetupError if no
        measuring process starts.
        """
        self._record_measuring_time()
        refusal = self._owner.refusal(datetime.now(UTC), in_job=in_job)
        confirmed = False
        if refusal is None and self._monitor.is_due():
            confirmed = self._monitor.check(should_continue)
            self._record_measuring_time()
        return self._readiness(refusal, confirmed)

    def _readiness(self, refusal: Refusal | None, confirmed: bool) -> Readiness:
        health = self._monitor.health
        if health.state != "ready":
            # A refusal by the owner delays the next sentinel check: it is a measurement too.
            retry_s = max(self._monitor.wait_s(), refusal.retry_s if refusal else 0.0)
            return Readiness(
                health.state,
                health.message,
                retry_s,
                cause="sentinel",
                drifted=health.drifted,
                since=self._monitor.good_at if health.drifted else None,
            )
        if refusal is not None:
            return Readiness("paused", refusal.reason, refusal.retry_s, cause=refusal.cause)
        return Readiness(confirmed=confirmed)

    def _record_measuring_time(self) -> None:
        busy_s = self._busy_s()
        if busy_s > self._recorded_s:
            self._owner.add_measuring_time(busy_s - self._recorded_s)
        self._recorded_s = busy_s
