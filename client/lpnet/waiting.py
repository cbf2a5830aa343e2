"""Waiting for campaigns and trainings of the service."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from lpnet.errors import LpnetError
from lpnet.http import Http
from lpnet.progress import Progress
from lpnet.schemas.campaign import Campaign
from lpnet.schemas.lpnet import Training
from lpnet.schemas.report import Report

# Time without progress after which a hint is logged.
HINT_AFTER_S = 10.0

log = logging.getLogger("lpnet")


class Waiting:
    """Polls until a campaign or a run ends, and logs a hint if it makes no progress.

    On an interrupt (Ctrl-C) the campaign or run is cancelled.
    """

    def __init__(self, http: Http, poll_s: float) -> None:
        self._http = http
        self._poll_s = poll_s

    def campaign(self, campaign: Campaign, progress: Progress) -> Campaign:
        """The campaign once it is done. Raises LpnetError if it failed or was cancelled."""
        path = f"/v1/campaigns/{campaign.id}"
        hint = _Hint(lambda: campaign.waiting)
        with self._cancel_on_interrupt(path):
            while campaign.state == "running":
                done = campaign.measured + campaign.failed
                progress("measuring", done, max(done, campaign.total))
                hint.update(campaign.waiting is None)
                time.sleep(self._poll_s)
                campaign = Campaign.model_validate(self._http.get(path))
        reasons = "; ".join(campaign.failures)
        if campaign.state != "done":
            raise LpnetError(
                f"campaign {campaign.id} {campaign.state}: {reasons or 'no reason given'}"
            )
        if campaign.failed:
            log.warning(
                "%d of %d workloads could not be measured: %s",
                campaign.failed,
                campaign.total,
                reasons,
            )
        if campaign.disturbed:
            log.warning(
                "%d of %d samples are disturbed and not used for training: `lpnet table %s "
                "--disturbed` shows the reasons",
                campaign.disturbed,
                campaign.measured,
                campaign.target,
            )
        progress("measuring", campaign.total, campaign.total)
        return campaign

    def report(self, run: Training, stage: str, progress: Progress) -> Report:
        """The report of a training or study. Raises LpnetError if it failed or was cancelled."""
        path = f"/v1/trainings/{run.id}"
        hint = _Hint(
            lambda: (
                f"the {run.kind} is still queued: is a worker running? `lpnet-service run` and "
                "`lpnet-service worker` start one"
            )
        )
        with self._cancel_on_interrupt(path):
            while run.state in ("queued", "running"):
                progress(stage, run.progress, 1.0)
                hint.update(run.state == "running")
                time.sleep(self._poll_s)
                run = Training.model_validate(self._http.get(path))
        if run.state != "done" or run.report is None:
            raise LpnetError(f"{run.kind} {run.id} {run.state}: {run.error or 'no reason given'}")
        progress(stage, 1.0, 1.0)
        return run.report

    @contextmanager
    def _cancel_on_interrupt(self, path: str) -> Iterator[None]:
        try:
            yield
        except KeyboardInterrupt:
            self._http.post(f"{path}/cancel")
            raise


class _Hint:
    """Logs a hint once if there is no progress for HINT_AFTER_S."""

    def __init__(self, hint: Callable[[], str | None]) -> None:
        self._hint = hint
        self._due = time.monotonic() + HINT_AFTER_S
        self._is_logged = False

    def update(self, has_progress: bool) -> None:
        if has_progress:
            self._due, self._is_logged = time.monotonic() + HINT_AFTER_S, False
        if self._is_logged or time.monotonic() < self._due:
            return
        if hint := self._hint():
            self._is_logged = True
            log.warning("still waiting: %s", hint)
