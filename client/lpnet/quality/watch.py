"""Watches the quality of a running campaign: passes it on, and stops what cannot be measured."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from lpnet.errors import TooDisturbed
from lpnet.schemas.campaign import Campaign
from lpnet.schemas.quality import VERDICTS, CampaignQuality, Verdict

# How often the service is asked for the quality of a campaign.
PERIOD_S = 3.0

log = logging.getLogger("lpnet")

OnQuality = Callable[[CampaignQuality], None]


def log_quality(quality: CampaignQuality) -> None:
    """Log a quality that is not good, with what would help."""
    if quality.verdict != "good":
        advice = "; ".join(quality.advice)
        log.warning("samples are %s: %s. Advice: %s", quality.verdict, quality.reason, advice)


class QualityWatch:
    """Passes the quality of a campaign to `on_quality` when it is known and when it gets worse.

    `fetch` returns the quality so far, None if the service cannot say. With `keep_going` a
    campaign of which most samples are disturbed goes on. `patience_s` is how long its target may
    pause before the quality is known; None: as long as it takes.
    """

    def __init__(
        self,
        fetch: Callable[[], CampaignQuality | None],
        on_quality: OnQuality = log_quality,
        *,
        keep_going: bool = False,
        patience_s: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fetch = fetch
        self._on_quality = on_quality
        self._keep_going = keep_going
        self._patience_s = patience_s
        self._clock = clock
        self._fetch_at = clock() + PERIOD_S
        self._measuring_at = clock()
        self._shown: CampaignQuality | None = None

    def update(self, campaign: Campaign) -> None:
        """Look at a campaign that is running. Raises TooDisturbed if it should be stopped."""
        now = self._clock()
        if campaign.waiting is None:
            self._measuring_at = now
        elif self._is_too_long(now - self._measuring_at):
            reason = f"{campaign.waiting} (for {now - self._measuring_at:.0f} s)"
            raise TooDisturbed(campaign.id, reason)
        if now < self._fetch_at:
            return
        self._fetch_at = now + PERIOD_S
        quality = self._fetch()
        if quality is None:
            return
        if VERDICTS.index(quality.verdict) > VERDICTS.index(self._worst):
            self._show(quality)
        if quality.verdict == "bad" and not self._keep_going:
            raise _too_disturbed(quality)

    def end(self, campaign: Campaign) -> None:
        """Look at a campaign that has ended, and pass on its quality if that is new.

        Raises TooDisturbed if most of its samples are disturbed.
        """
        quality = self._fetch()
        if quality is None or quality.verdict == "unknown":
            return
        if quality != self._shown:
            self._show(quality)
        if campaign.state == "failed" and not self._keep_going:
            raise _too_disturbed(quality)

    def _show(self, quality: CampaignQuality) -> None:
        self._shown = quality
        self._on_quality(quality)

    @property
    def _worst(self) -> Verdict:
        return "unknown" if self._shown is None else self._shown.verdict

    def _is_too_long(self, seconds: float) -> bool:
        unknown = self._shown is None and not self._keep_going
        return unknown and self._patience_s is not None and seconds >= self._patience_s


def _too_disturbed(quality: CampaignQuality) -> TooDisturbed:
    reason = f"{quality.disturbed} of {quality.measured} samples are disturbed"
    return TooDisturbed(quality.campaign, reason, quality.advice)
