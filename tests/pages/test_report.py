"""The report: every figure and chart can be read without doubt."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect
from tests.harness.serving import Service
from tests.pages.conftest import Watched
from tests.pages.evaluating import evaluate

ORT = "rack-ort-cpu"


def errors(n: int, mape_pct: float) -> dict[str, Any]:
    return {
        "n": n,
        "mape_pct": mape_pct,
        "within_5_pct": 100.0,
        "within_10_pct": 100.0,
        "spearman": 0.9,
    }


def test_networks_in_no_group_have_a_row_of_their_own(service: Service, tab: Watched) -> None:
    page = tab.open(f"{service.url}/report?target={ORT}")
    groups = {"network_random": errors(6, 2.0), "network_aligned": errors(5, 4.0)}
    held_out = {"network": errors(26, 3.0), **groups, "network_pruned": errors(7, 1.0)}
    others = evaluate(page, "tables/report.js", "withOthers", held_out)["network_other"]
    assert others["n"] == 26 - 6 - 5 - 7
    total = 6 * 2.0 + 5 * 4.0 + 7 * 1.0
    assert others["mape_pct"] == pytest.approx((26 * 3.0 - total) / 8)
    assert others["within_5_pct"] == pytest.approx(100.0)
    held_out["network"] = errors(18, 2.0)
    assert evaluate(page, "tables/report.js", "withOthers", held_out)["network_other"] is None


def test_counts_of_samples_and_of_networks_are_told_apart(service: Service, tab: Watched) -> None:
    page = tab.open(f"{service.url}/report?target={ORT}")
    tile = page.locator("#figures > div", has_text="Held out").locator("dd")
    lpnet = page.request.get(f"{service.url}/v1/targets/{ORT}").json()["lpnet"]
    report = page.request.get(f"{service.url}/v1/lpnets/{lpnet}/report").json()
    items = page.request.get(f"{service.url}/v1/lpnets/{lpnet}/residuals").json()["items"]
    networks = [item for item in items if item["kind"] == "network"]
    samples = report["held_out"]["network"]["n"]
    expect(tile).to_have_text(f"{samples} samples; {len(networks)} networks in the charts")
    expect(page.locator("#scatter")).to_contain_text(f"{len(networks)} held-out networks")
    expect(page.locator("#draws tr")).to_have_count(5)
    expect(page.locator("#draws")).to_contain_text("a multiple of 4, 8, 16 or 32, or dense")


def test_the_kind_of_model_is_shown_with_the_errors_it_was_chosen_by(
    service: Service, tab: Watched
) -> None:
    lpnet = tab.page.request.get(f"{service.url}/v1/targets/{ORT}").json()["lpnet"]
    report = tab.page.request.get(f"{service.url}/v1/lpnets/{lpnet}/report").json()
    report["kind"] = "op_process"
    report["candidates"] = [
        {"kind": "op_process", "mean_pct": 2.14, "median_pct": 1.0},
        {"kind": "ensemble", "mean_pct": 3.0, "median_pct": 2.0},
    ]
    tab.page.route("**/v1/lpnets/*/report", lambda route: route.fulfill(json=report))
    page = tab.open(f"{service.url}/report?target={ORT}")
    tile = page.locator("#figures > div", has_text="Model").locator("dd")
    expect(tile).to_have_text("op process cross-validated: op process 2.1%, ensemble 3%")


def test_ticks_of_a_logarithmic_axis_are_round_and_apart(service: Service, tab: Watched) -> None:
    page = tab.open(f"{service.url}/login")
    for low, high, ticks in (
        (0.18, 4.3, [0.2, 0.5, 1, 2]),
        (9.0, 13.2, [10, 12]),
        (3.1, 4.4, [3.5, 4]),
        (0.9, 1200, [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000]),
    ):
        assert evaluate(page, "lib/chart.js", "logTicks", low, high) == pytest.approx(ticks)


def test_versions_are_dots_and_the_active_one_is_filled(service: Service, tab: Watched) -> None:
    page = tab.open(f"{service.url}/report?target={ORT}")
    lpnets = [
        {
            "version": version,
            "epoch": 1,
            "active": version == 2,
            "network_mape_pct": 2.0,
            "created_at": "2026-01-31T12:00:00Z",
        }
        for version in (1, 2, 3)
    ]
    option = page.evaluate(
        """async (lpnets) => {
          const page = document.querySelector("script[type=module]").src;
          const { versionChart } = await import(new URL("../charts/report.js", page));
          const [series] = versionChart(lpnets).option().series;
          const { symbol, showAllSymbol, data } = series;
          return { symbol, showAllSymbol, fills: data.map((point) => point.itemStyle) };
        }""",
        lpnets,
    )
    assert option["symbol"] == "circle"
    assert option["showAllSymbol"] is True
    hollow, filled, _ = option["fills"]
    assert filled["color"] == filled["borderColor"]
    assert hollow["color"] != hollow["borderColor"]
