"""A client watches the quality of a campaign, and stops what cannot be measured."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from lpnet.errors import TooDisturbed
from lpnet.quality.text import quality_lines
from lpnet.quality.watch import PERIOD_S, QualityWatch, log_quality
from lpnet.schemas.campaign import Campaign
from lpnet.schemas.quality import CampaignQuality, OtherLoad, Verdict

ADVICE = ("stop other work on the device",)


def quality(verdict: Verdict, measured: int = 12, disturbed: int = 0, **fields: Any) -> Any:
    values = {
        "campaign": "campaign-1",
        "target": "desk-cpu",
        "verdict": verdict,
        "reason": f"{disturbed} of {measured} samples are disturbed",
        "total": 82,
        "measured": measured,
        "good": measured - disturbed,
        "disturbed": disturbed,
        "newest": 12,
        "newest_disturbed": disturbed,
        "causes": (),
        "other_load": dict.fromkeys(OtherLoad.model_fields),
        "sentinels": (),
        "expected_error_pct": None,
        "expected_error_source": "nothing was repeated",
        "advice": ADVICE if verdict in ("poor", "bad") else (),
    }
    return CampaignQuality.model_validate(values | fields)


def campaign(**fields: Any) -> Campaign:
    values = {
        "id": "campaign-1",
        "target": "desk-cpu",
        "space": "0" * 64,
        "state": "running",
        "total": 82,
        "measured": 12,
        "failed": 0,
        "created_at": "2026-01-31T12:00:00Z",
    }
    return Campaign.model_validate(values | fields)


class Bench:
    """A watch whose clock and qualities a test moves."""

    def __init__(self, **options: Any) -> None:
        self.now_s = 0.0
        self.quality: CampaignQuality | None = None
        self.fetched = 0
        self.shown: list[CampaignQuality] = []
        self.watch = QualityWatch(
            self._fetch, self.shown.append, clock=lambda: self.now_s, **options
        )

    def _fetch(self) -> CampaignQuality | None:
        self.fetched += 1
        return self.quality

    def later(self, quality: CampaignQuality | None, seconds: float = PERIOD_S) -> None:
        self.quality = quality
        self.now_s += seconds
        self.watch.update(campaign())


def test_it_is_fetched_now_and_then() -> None:
    bench = Bench()
    for _ in range(8):
        bench.later(None, PERIOD_S / 4)
    assert bench.fetched == 2


def test_it_is_shown_when_known_and_when_worse() -> None:
    bench = Bench()
    for verdict in ("unknown", "good", "good", "poor", "good", "poor"):
        bench.later(quality(verdict))
    assert [each.verdict for each in bench.shown] == ["good", "poor"]


def test_a_bad_one_stops_with_what_would_help() -> None:
    bench = Bench()
    with pytest.raises(TooDisturbed) as caught:
        bench.later(quality("bad", 12, 9))
    error = caught.value
    assert (error.campaign, error.advice) == ("campaign-1", ADVICE)
    assert [each.verdict for each in bench.shown] == ["bad"]
    message = str(error)
    assert "9 of 12 samples are disturbed" in message
    assert "What was measured is kept" in message
    assert "--keep-going" in message


def test_it_keeps_going_if_that_is_wanted() -> None:
    bench = Bench(keep_going=True, patience_s=10.0)
    bench.later(quality("bad", 12, 9))
    bench.now_s += 100
    bench.watch.update(campaign(waiting="its target is paused: hot"))
    bench.watch.end(campaign(state="failed"))
    assert [each.verdict for each in bench.shown] == ["bad"]


def test_the_last_one_is_shown_if_it_is_another() -> None:
    bench = Bench()
    bench.later(quality("good"))
    bench.watch.end(campaign(state="done"))
    assert len(bench.shown) == 1
    bench.quality = quality("good", 82, 2)
    bench.watch.end(campaign(state="done"))
    assert [each.measured for each in bench.shown] == [12, 82]


def test_a_campaign_that_failed_for_its_samples_is_that_error() -> None:
    bench = Bench()
    bench.quality = quality("bad", 82, 59)
    with pytest.raises(TooDisturbed, match="59 of 82 samples"):
        bench.watch.end(campaign(state="failed"))


def test_a_campaign_without_samples_is_left_to_its_own_reasons() -> None:
    bench = Bench()
    bench.quality = quality("unknown", 0)
    bench.watch.end(campaign(state="failed"))
    assert bench.shown == []


def test_a_target_that_pauses_at_first_is_waited_for_that_long() -> None:
    bench, paused = Bench(patience_s=40.0), campaign(waiting="its target is paused: busy")
    for _ in range(3):
        bench.now_s += 13
        bench.watch.update(paused)
    bench.watch.update(campaign())
    bench.now_s += 39
    bench.watch.update(paused)
    bench.now_s += 1
    with pytest.raises(TooDisturbed, match=r"its target is paused: busy \(for 40 s\)"):
        bench.watch.update(paused)


def test_a_target_that_pauses_later_or_without_a_limit_is_waited_for() -> None:
    known, patient = Bench(patience_s=40.0), Bench()
    known.later(quality("good"))
    for bench in (known, patient):
        bench.now_s += 1000
        bench.watch.update(campaign(waiting="its target is paused: hot"))
    assert known.fetched == 2


def test_a_library_logs_what_is_not_good(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "lpnet"):
        log_quality(quality("good"))
        assert not caplog.text
        log_quality(quality("poor", 12, 3))
    assert "samples are poor: 3 of 12 samples are disturbed" in caplog.text
    assert ADVICE[0] in caplog.text


def test_lines_say_what_is_wrong_and_what_would_help() -> None:
    full = quality(
        "poor",
        14,
        3,
        other_load=dict.fromkeys(OtherLoad.model_fields)
        | {"cpu_pct": 4.0, "cores_pct": 45.0, "probes_pct": 12.0, "visits_pct": 2.5},
        sentinels=(
            {"sentinel": "arithmetic", "readings": 6, "disturbed": 1, "spread_pct": 41.0},
            {"sentinel": "memory", "readings": 1, "disturbed": 0, "spread_pct": None},
        ),
        expected_error_pct=3.6,
        expected_error_source="the noise floor, of 12 workloads",
    )
    assert list(quality_lines(full)) == [
        "samples are poor after 14 workloads: 3 of 14 samples are disturbed",
        "  load of others: on its CPU 4.0% of the time, other cores 45.0% busy, "
        "arithmetic probes 12.0% apart, visits to a workload 2.5% apart",
        "  sentinels: arithmetic 6 readings, 1 disturbed, 41.0% apart; memory 1 reading",
        "  expected error of an LPNet: at least 3.6%, by the noise floor, of 12 workloads",
        "  what would help:",
        "  - stop other work on the device",
    ]


def test_an_unknown_error_says_why() -> None:
    assert list(quality_lines(quality("good")))[1:] == [
        "  expected error of an LPNet: unknown (nothing was repeated)"
    ]
