"""Telling the server whether the target may be measured on, and hearing that it was cleared."""

from __future__ import annotations

import time

from lpnet.http import Http
from lpnet.schemas.condition import Acknowledged, ConditionReport
from lpnet_agent.serve.readiness import Standing

_LONGEST = 500


class Reporter:
    """Reports the condition of one target when it changes, and every `every_s` seconds while it
    lasts: that also tells that the agent is there, and mends what the server holds wrongly after
    a report that came late or twice. `seat` is the agent's; see Registration."""

    def __init__(self, http: Http, target: str, every_s: float, seat: str | None = None) -> None:
        self._http = http
        self._target = target
        self._every_s = every_s
        self._seat = seat
        self._told: ConditionReport | None = None
        self._told_at = 0.0

    def forget(self) -> None:
        """Report anew: the server may not know what it was told."""
        self._told = None

    def wait_s(self) -> float:
        """Seconds until a condition that lasts is to be reported again."""
        return max(0.0, self._told_at + self._every_s - time.monotonic())

    def report(self, agent: str, standing: Standing, cleared: int) -> int | None:
        """Report, if it is time to. The number of clearings that the server counts, where there
        are more than the `cleared` that were acted on. Raises what Http raises."""
        said = ConditionReport(
            target=self._target,
            state=standing.state,
            reason=standing.reason and standing.reason[:_LONGEST],
            cleared=cleared,
            cause=standing.cause,
            since=standing.since,
            seat=self._seat,
        )
        if said == self._told and self.wait_s() > 0:
            return None
        path = f"/v1/agents/{agent}/condition"
        answer = Acknowledged.model_validate(self._http.post(path, said, idempotent=True))
        self._told, self._told_at = said, time.monotonic()
        return answer.cleared if answer.cleared > cleared else None
