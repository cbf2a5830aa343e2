"""Tables that a page saves as CSV, with the figures of the API."""

from __future__ import annotations

import csv
import io

from playwright.sync_api import Page
from tests.harness.serving import Service
from tests.pages.conftest import Watched

ORT, OPENVINO = "rack-ort-cpu", "rack-openvino-cpu"


def saved(page: Page, button: str) -> list[dict[str, str]]:
    with page.expect_download() as started:
        page.locator(button).click()
    return list(csv.DictReader(io.StringIO(started.value.path().read_text())))


def test_targets_that_are_seen(service: Service, tab: Watched) -> None:
    page = tab.open(f"{service.url}/devices?search=openvino")
    target = page.request.get(f"{service.url}/v1/targets/{OPENVINO}").json()
    (row,) = saved(page, "#csv")
    assert (row["name"], row["runtime"], row["state"]) == (OPENVINO, "openvino", target["state"])
    assert int(row["samples"]) == target["samples"]


def test_campaigns(service: Service, tab: Watched) -> None:
    page = tab.open(f"{service.url}/campaigns")
    campaigns = page.request.get(f"{service.url}/v1/campaigns").json()["items"]
    rows = saved(page, "#csv")
    assert [(row["id"], int(row["total"])) for row in rows] == [
        (campaign["id"], campaign["total"]) for campaign in campaigns
    ]


def test_parts_of_a_comparison(service: Service, tab: Watched) -> None:
    page = tab.open(f"{service.url}/compare?target={ORT}&target={OPENVINO}")
    path = f"{service.url}/v1/compare/summary?target={ORT}&target={OPENVINO}"
    summary = page.request.get(path).json()
    rows = saved(page, "#parts-csv")
    assert len(rows) == 2 * (1 + len(summary["kinds"]) + len(summary["blocks"]))
    assert rows[1]["target"] == OPENVINO
    assert float(rows[1]["median_ratio"]) == summary["all"]["targets"][1]["median_ratio"]


def test_tables_of_a_report(service: Service, tab: Watched) -> None:
    page = tab.open(f"{service.url}/report?target={ORT}")
    lpnet = page.request.get(f"{service.url}/v1/targets/{ORT}").json()["lpnet"]
    report = page.request.get(f"{service.url}/v1/lpnets/{lpnet}/report").json()
    held = {row["held_out"]: row for row in saved(page, "#draws-csv")}
    assert float(held["network"]["mape_pct"]) == report["held_out"]["network"]["mape_pct"]
    worst = [abs(float(row["error_pct"])) for row in saved(page, "#worst-csv")]
    assert len(worst) == page.locator("#worst tr").count() > 1
    assert worst == sorted(worst, reverse=True)
