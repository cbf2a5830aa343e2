"""Waiting for campaigns and trainings of the service."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from lpnet.errors import LpnetError, NotFound, TooDisturbed
from lpnet.http import Http
from lpnet.progress import Progress
from lpnet.quality.watch import OnQuality, QualityWatch
from lpnet.schemas.campaign import Campaign
from lpnet.schemas.lpnet import Training
from lpnet.schemas.quality import CampaignQuality
from lpnet.schemas.report import Report

# Time without progress after which a hint is logged.
HINT_AFTER_S = 10.0

log = logging.getLogger("lpnet")


class Waiting:
    """Polls until a campaign or a run ends, and logs a hint if it makes no progress.

    On an interrupt (Ctrl-C) the campaign or run is cancelled. `patience_s` is how long a target
    may pause before the quality of a campaign is known; None: as long as it takes.
    """

    def __init__(self, http: Http, poll_s: float, patience_s: float | None = None) -> None:
        self._http = http
        self._poll_s = poll_s
        self._patience_s = patience_s

    def campaign(
        self,
        campaign: Campaign,
        progress: Progress,
        *,
        on_quality: OnQuality | None = None,
        keep_going: bool = False,
    ) -> Campaign:
        """The campaign once it is done; None for `on_quality` does not watch its quality.

        Raises LpnetError if it failed or was cancelled, and TooDisturbed if it was stopped because
        most of its samples are disturbed; `keep_going` never stops it.
        """
        path = f"/v1/campaigns/{campaign.id}"
        watch = None if on_quality is None else self._watch(path, on_quality, keep_going)
        hint = _Hint(lambda: campaign.waiting)
        with self._cancel_on_interrupt(path):
            while campaign.state == "running":
                done = campaign.good + campaign.failed
                progress("measuring", done, max(done, campaign.total))
                hint.update(campaign.waiting is None)
                if watch is not None:
                    watch.update(campaign)
                time.sleep(self._poll_s)
                campaign = Campaign.model_validate(self._http.get(path))
        if watch is not None:
            watch.end(campaign)
        _check_ended(campaign, keep_going)
        progress("measuring", campaign.total, campaign.total)
        return campaign

    def _watch(self, path: str, on_quality: OnQuality, keep_going: bool) -> QualityWatch:
        def fetch() -> CampaignQuality | None:
            try:
                return CampaignQuality.model_validate(self._http.get(f"{path}/quality"))
            except NotFound:  # an older service
                return None

        return QualityWatch(fetch, on_quality, keep_going=keep_going, patience_s=self._patience_s)

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
        except (KeyboardInterrupt, TooDisturbed):
            self._http.post(f"{path}/cancel")
            raise


def _check_ended(campaign: Campaign, keep_going: bool) -> None:
    reasons = "; ".join(campaign.failures)
    is_usable = campaign.state == "failed" and campaign.good > 0 and keep_going
    if campaign.state != "done" and not is_usable:
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
