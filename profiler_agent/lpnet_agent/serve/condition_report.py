"""Reports of the target's condition to the server, which answers whether a person cleared it."""

from __future__ import annotations

import time

from lpnet.http import Http
from lpnet.schemas.condition import ConditionReport, ConditionResponse
from lpnet_agent.serve.readiness import Readiness

_MAX_REASON = 500


class ConditionReporter:
    """Reports the condition of one target when it changes, and otherwise every `every_s` seconds.

    The repeats show that the agent is alive, and correct the server after a report that arrived
    late or twice. `seat` is the agent's; see Registration.
    """

    def __init__(self, http: Http, target: str, every_s: float, seat: str | None = None) -> None:
        self._http = http
        self._target = target
        self._every_s = every_s
        self._seat = seat
        self._last: ConditionReport | None = None
        self._last_at = 0.0

    def forget(self) -> None:
        """Report again next time: the server may have lost the last report."""
        self._last = None

    def wait_s(self) -> float:
        return max(0.0, self._last_at + self._every_s - time.monotonic())

    def report(self, agent: str, readiness: Readiness, cleared: int) -> int | None:
        """Report the condition, if a report is due.

        Returns the server's number of clearings if it exceeds `cleared`, the number handled
        already. Raises what Http raises.
        """
        report = ConditionReport(
            target=self._target,
            state=readiness.state,
            reason=readiness.reason and readiness.reason[:_MAX_REASON],
            cleared=cleared,
            cause=readiness.cause,
            since=readiness.since,
            seat=self._seat,
        )
        if report == self._last and self.wait_s() > 0:
            return None
        path = f"/v1/agents/{agent}/condition"
        answer = ConditionResponse.model_validate(self._http.post(path, report, idempotent=True))
        self._last, self._last_at = report, time.monotonic()
        return answer.cleared if answer.cleared > cleared else None
