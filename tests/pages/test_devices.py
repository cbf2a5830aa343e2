"""The page of devices: searched, filtered and updated."""

from __future__ import annotations

import json

from playwright.sync_api import expect
from tests.harness import lab
from tests.harness.serving import Service
from tests.pages.conftest import Watched


def test_every_target_is_listed_under_its_device(service: Service, tab: Watched) -> None:
    page = tab.open(service.url + "/devices")
    for name in lab.TARGETS:
        assert page.get_by_role("link", name=name).is_visible()
    assert "AMD EPYC 9654 · 8 cores · 32 GiB" in page.locator("tr.group").nth(1).inner_text()
    row = page.locator("tbody tr", has=page.get_by_role("link", name="rack-ort-cpu"))
    target = json.loads(page.request.get(f"{service.url}/v1/targets/rack-ort-cpu").text())
    assert f"{target['network_mape_pct']:.1f} %" in row.inner_text().replace("\n", " ")
    assert str(target["samples"]) in row.inner_text()


def test_search_and_filters_are_in_the_address(service: Service, tab: Watched) -> None:
    page = tab.open(service.url + "/devices")
    page.get_by_label("Search").fill("OPENVINO rack")
    rows = page.locator("tbody tr:not(.group)")
    expect(rows).to_have_count(1)
    assert "1 of 3 targets" in page.locator("#shown").inner_text()
    assert "search=OPENVINO+rack" in page.url
    page.reload()
    page.wait_for_selector("html[data-ready]", state="attached")
    expect(rows).to_have_count(1)
    page.get_by_label("Search").fill("")
    page.get_by_label("Runtime").select_option("litert")
    expect(rows).to_have_count(1)
    page.get_by_label("Search").fill("nothing of the kind")
    assert page.get_by_text("No target matches.").is_visible()


def test_what_changes_is_seen_without_reloading(own_service: Service, tab: Watched) -> None:
    page = tab.open(own_service.url + "/devices")
    op = {"type": "linear", "c_in": 3, "c_out": 4}
    sample = {"latency_ms": 1.5, "workload": {"ops": [op]}}
    answer = page.request.post(
        f"{own_service.url}/v1/samples:batch?create=true",
        data={"target": "later", "samples": [sample]},
    )
    assert answer.ok, answer.text()
    page.locator("#rows td").get_by_role("link", name="later", exact=True).wait_for()
