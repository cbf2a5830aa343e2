"""The page of campaigns: what matters is in sight, and states are true."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import expect
from tests.harness.serving import Service
from tests.pages.conftest import Watched
from tests.pages.evaluating import evaluate

ORT = "rack-ort-cpu"


def campaigns(space: str) -> list[dict[str, Any]]:
    """Ten single measurements of a pruning job, and a campaign with many disturbed samples."""
    base = {
        "target": ORT,
        "space": space,
        "state": "done",
        "failed": 0,
        "failures": [],
        "samples_per_minute": 10.0,
        "pace_reason": None,
        "seconds_left": None,
        "seconds_left_reason": None,
        "waiting": None,
        "created_at": "2026-01-31T12:00:00Z",
        "finished_at": "2026-01-31T13:00:00Z",
    }
    single = base | {"total": 1, "measured": 1, "disturbed": 0}
    large = base | {"total": 82, "measured": 82, "disturbed": 30}
    singles = [single | {"id": f"campaign-{number:024x}"} for number in range(10)]
    return [*singles, large | {"id": f"campaign-{99:024x}"}]


def test_single_measurements_share_a_row_and_disturbed_ones_are_not_green(
    service: Service, tab: Watched
) -> None:
    space = tab.page.request.get(f"{service.url}/v1/spaces").json()["items"][0]["hash"]
    page = {"items": campaigns(space), "next": None, "previous": None}
    tab.page.route("**/v1/campaigns?**", lambda route: route.fulfill(json=page))
    opened = tab.open(f"{service.url}/campaigns")
    rows = opened.locator("#rows tr")
    expect(rows).to_have_count(2)
    expect(rows.first).to_contain_text("10 campaigns")
    expect(rows.first).to_contain_text("10 of 10 good")
    disturbed = rows.nth(1)
    expect(disturbed).to_contain_text("30 of 82 samples disturbed")
    expect(disturbed.locator(".state")).to_have_class("state paused")
    expect(disturbed.locator("td[data-label=End]")).not_to_contain_text("ended")
    rows.first.get_by_role("button", name="Show").click()
    expect(rows).to_have_count(12)
    rows.first.get_by_role("button", name="Hide").click()
    expect(rows).to_have_count(2)


def test_only_campaigns_alike_are_grouped(service: Service, tab: Watched) -> None:
    page = tab.open(f"{service.url}/campaigns")
    items = campaigns("0" * 64)
    items[4] = items[4] | {"target": "other"}
    items[9] = items[9] | {"state": "running"}
    groups = evaluate(page, "tables/campaigns.js", "grouped", items)
    assert [len(group) for group in groups] == [4, 1, 4, 1, 1]
    assert [campaign["id"] for group in groups for campaign in group] == [
        campaign["id"] for campaign in items
    ]


def test_statements_of_an_estimate_are_sentences(service: Service, tab: Watched) -> None:
    page = tab.open(f"{service.url}/campaigns")
    page.get_by_text("Start a campaign").click()
    estimate = page.locator("#estimate")
    expect(estimate).to_contain_text("to test an LPNet. It would ")
    expect(estimate).not_to_contain_text(";")
