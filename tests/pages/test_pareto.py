"""The page of results that pruning jobs reported."""

from __future__ import annotations

from playwright.sync_api import expect
from tests.harness.serving import Service
from tests.pages.conftest import Watched
from tests.pages.test_saving import ORT, saved

from lpnet.http import Http
from lpnet.schemas.pruning import PruningResult


def test_results_are_shown_beside_the_dense_network(own_service: Service, tab: Watched) -> None:
    with Http(own_service.url) as http:
        space = http.get("/v1/spaces")["items"][0]
        widths = {width["name"]: width["max"] for width in space["widths"]}
        result = {
            "job": f"prune-{0:024x}",
            "target": ORT,
            "space": space["hash"],
            "model": "little",
            "data": "digits",
            "seed": 0,
            "budget_ms": 0.5,
            "dense_ms": 1.0,
            "dense_predicted_ms": 1.0,
            "predicted_ms": 0.5,
            "accuracy_before": 0.9912,
            "macs_before": 100,
            "macs_after": 50,
            "params_before": 10,
            "params_after": 5,
            "widths": widths,
            "created_at": "2026-01-31T12:00:00Z",
            "lpnet_version": "1",
        }
        methods = {"wgates": (0.49, 0.9876), "magnitude": (None, 0.97), "uniform": (0.6, None)}
        for number, (method, (measured_ms, accuracy)) in enumerate(methods.items(), 1):
            result |= {"id": f"pruning-{number:024x}", "round": number, "chosen": number == 1}
            result |= {"method": method, "measured_ms": measured_ms, "accuracy_after": accuracy}
            http.post("/v1/prunings", PruningResult.model_validate(result))
    page = tab.open(f"{own_service.url}/pareto")
    rows = page.locator("#rows tr")
    expect(rows).to_have_count(3)
    first = rows.filter(has_text="wgates")
    expect(first).to_contain_text("98.76 %")
    expect(first).to_contain_text("99.12 %")
    expect(first).to_contain_text("chosen")
    # A result without accuracy is in the table, but not on the chart.
    chart = page.get_by_role("img", name="2 results of magnitude, wgates")
    expect(chart).to_be_visible()
    assert {row["method"]: row["measured_ms"] for row in saved(page, "#csv")} == {
        "wgates": "0.49",
        "magnitude": "",
        "uniform": "0.6",
    }
