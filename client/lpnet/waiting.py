"""Waiting for what the service does in its own time."""

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

# After this long without a beginning somebody should be told what is missing.
PATIENCE_S = 10.0

log = logging.getLogger("lpnet")


class Waiting:
    """Polls until a campaign or a run ends, and says what it is waiting for if nothing moves.

    Interrupted (Ctrl-C), it cancels what it was waiting for: nobody else is.
    """

    def __init__(self, http: Http, poll_s: float) -> None:
        self._http = http
        self._poll_s = poll_s

    def campaign(self, campaign: Campaign, progress: Progress) -> Campaign:
        """The campaign once it is done. Raises LpnetError where it failed or was cancelled."""
        path = f"/v1/campaigns/{campaign.id}"
        hint = _Once(lambda: campaign.waiting)
        with self._cancelled_with(path):
            while campaign.state == "running":
                done = campaign.measured + campaign.failed
                progress("measuring", done, max(done, campaign.total))
                hint.unless(campaign.waiting is None)
                time.sleep(self._poll_s)
                campaign = Campaign.model_validate(self._http.get(path))
        reasons = "; ".join(campaign.failures)
        if campaign.state != "done":
            raise LpnetError(f"campaign {campaign.id} {campaign.state}: {reasons or 'no reason'}")
        if campaign.failed:
            log.warning(
                "%d of %d workloads could not be measured: %s",
                campaign.failed,
                campaign.total,
                reasons,
            )
        if campaign.disturbed:
            log.warning(
                "%d of %d samples are disturbed, and out of training: `lpnet table %s "
                "--disturbed` says why",
                campaign.disturbed,
                campaign.measured,
                campaign.target,
            )
        progress("measuring", campaign.total, campaign.total)
        return campaign

    def report(self, run: Training, stage: str, progress: Progress) -> Report:
        """The report of a training or study. Raises LpnetError where it did not end well."""
        path = f"/v1/trainings/{run.id}"
        hint = _Once(
            lambda: (
                f"the {run.kind} is still queued: is a worker running? `lpnet-service run` starts "
                "one unless --no-worker is given; `lpnet-service worker` is one"
            )
        )
        with self._cancelled_with(path):
            while run.state in ("queued", "running"):
                progress(stage, run.progress, 1.0)
                hint.unless(run.state == "running")
                time.sleep(self._poll_s)
                run = Training.model_validate(self._http.get(path))
        if run.state != "done" or run.report is None:
            raise LpnetError(f"{run.kind} {run.id} {run.state}: {run.error or 'no reason given'}")
        progress(stage, 1.0, 1.0)
        return run.report

    @contextmanager
    def _cancelled_with(self, path: str) -> Iterator[None]:
        try:
            yield
        except KeyboardInterrupt:
            self._http.post(f"{path}/cancel")
            raise


class _Once:
    """A hint, given once a standstill, when nothing has moved for a while."""

    def __init__(self, hint: Callable[[], str | None]) -> None:
        self._hint = hint
        self._due = time.monotonic() + PATIENCE_S
        self._told = False

    def unless(self, moving: bool) -> None:
        if moving:
            self._due, self._told = time.monotonic() + PATIENCE_S, False
        if self._told or time.monotonic() < self._due:
            return
        if text := self._hint():
            self._told = True
            log.warning("still waiting: %s", text)
