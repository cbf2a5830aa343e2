"""Whether the target may be measured on: its owner is asked, and its sentinels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from lpnet.schemas.condition import Cause, Condition
from lpnet_agent.owner.policy import OwnerPolicy
from lpnet_agent.owner.rules import Refusal
from lpnet_agent.sentinels.monitor import SentinelMonitor, ShouldContinue


@dataclass(frozen=True)
class Standing:
    """The condition of the target, as it is reported, and after how many seconds to ask again.

    `cause` says what is in the way. `drifted`: samples that no good check has followed do not
    count; `since` is when that check was. `proven`: a good check was made just now, so all that
    was measured before it stands.
    """

    state: Condition = "ready"
    reason: str | None = None
    retry_s: float = 0.0
    cause: Cause | None = None
    drifted: bool = False
    since: datetime | None = None
    proven: bool = False


class Gate:
    """To be asked before any work, and before every workload of it."""

    def __init__(
        self, owner: OwnerPolicy, watch: SentinelMonitor, busy_s: Callable[[], float]
    ) -> None:
        """`busy_s` says how many seconds of measuring there were so far."""
        self._owner = owner
        self._watch = watch
        self._busy_s = busy_s
        self._accounted_s = 0.0

    @property
    def cleared(self) -> int:
        """Clearings of the target that were acted on."""
        return self._watch.cleared

    def clear(self, cleared: int) -> None:
        """The target was cleared by a person, so many times by now."""
        self._watch.clear(cleared)

    def ask(
        self, *, in_job: bool = False, should_continue: ShouldContinue | None = None
    ) -> Standing:
        """The present standing; a check of the sentinels that is due is made. `begun`: a job is in
        hand, and `go_on` is called all through the check, which takes seconds.

        Raises Interrupted when the agent is to end, BadSetup if no measuring process starts.
        """
        self._account()
        refusal = self._owner.refusal(datetime.now(UTC), in_job=in_job)
        proven = False
        if refusal is None and self._watch.is_due():
            proven = self._watch.check(should_continue)
            self._account()
        return self._standing(refusal, proven)

    def _standing(self, refusal: Refusal | None, proven: bool) -> Standing:
        health = self._watch.health
        if health.state != "ready":
            # A refusal by the owner puts the next look off: it is a measurement too.
            retry_s = max(self._watch.wait_s(), refusal.retry_s if refusal else 0.0)
            return Standing(
                health.state,
                health.message,
                retry_s,
                cause="sentinel",
                drifted=health.drifted,
                since=self._watch.good_at if health.drifted else None,
            )
        if refusal is not None:
            return Standing("paused", refusal.reason, refusal.retry_s, cause=refusal.cause)
        return Standing(proven=proven)

    def _account(self) -> None:
        busy_s = self._busy_s()
        if busy_s > self._accounted_s:
            self._owner.add_measuring_time(busy_s - self._accounted_s)
        self._accounted_s = busy_s
