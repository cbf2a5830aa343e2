"""What if, curves, report: the pages show the figures of the API."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from tests.harness.serving import Service
from tests.pages.conftest import Watched

TARGET = "rack-ort-cpu"
SPACE = "resnet20"


def posted(page: Page, service: Service, path: str, body: dict[str, Any]) -> Any:
    response = page.request.post(service.url + path, data=body)
    assert response.ok, response.text()
    return response.json()


def space(page: Page, service: Service) -> Any:
    items = page.request.get(f"{service.url}/v1/spaces").json()["items"]
    return next(item for item in items if item["name"] == SPACE)


def figure(page: Page) -> float:
    return float(page.locator("#ms").inner_text().split()[0])


def wait_for_figure(page: Page, ms: float) -> None:
    """Until the prediction is shown, to three digits; one of an earlier width may come first."""
    shown = (
        "ms => Math.abs(parseFloat(document.querySelector('#ms').textContent) / ms - 1) < 0.006"
    )
    page.wait_for_function(shown, arg=ms)


def test_dragging_a_width_shows_the_number_that_the_api_gives(
    service: Service, tab: Watched
) -> None:
    page = tab.open(f"{service.url}/what-if?target={TARGET}")
    about = space(page, service)
    name = about["widths"][2]["name"]
    page.locator("#parts tr").first.wait_for()
    dense = figure(page)
    slider = page.get_by_role("slider", name=name)
    slider.focus()
    page.keyboard.press("Home")
    for _ in range(2):
        page.keyboard.press("ArrowRight")
    expect(page.locator(f"input[type=number][data-width='{name}']")).to_have_value("3")
    widths = {width["name"]: width["max"] for width in about["widths"]} | {name: 3}
    request = {"target": TARGET, "space": about["hash"], "widths": [widths], "breakdown": True}
    prediction = posted(page, service, "/v1/predictions", request)["predictions"][0]
    wait_for_figure(page, prediction["latency_ms"])
    assert figure(page) < dense
    parts = page.locator("#parts tr")
    expect(parts).to_have_count(len(prediction["breakdown"]["parts"]))
    page.reload()
    page.wait_for_selector("html[data-ready]", state="attached")
    page.locator("#parts tr").first.wait_for()
    assert figure(page) == pytest.approx(prediction["latency_ms"], rel=0.006), "it is in the URL"


def test_pasted_widths_are_checked_before_they_are_used(service: Service, tab: Watched) -> None:
    page = tab.open(f"{service.url}/what-if?target={TARGET}")
    about = space(page, service)
    name = about["widths"][0]["name"]
    page.get_by_text("Paste widths as JSON").click()
    box = page.get_by_label("An object by width name, or a list in the order of the space")
    apply = page.get_by_role("button", name="Apply")
    for wrong, message in (
        ("{", "JSON"),
        ('{"nowhere": 3}', "nowhere: the space has no such width"),
        (f'{{"{name}": 0}}', f"{name}: must be a multiple of 1"),
        ("[1, 2]", "widths, got 2"),
    ):
        box.fill(wrong)
        apply.click()
        expect(page.locator("#json-error")).to_contain_text(message)
    box.fill(f'{{"{name}": 5}}')
    apply.click()
    expect(page.locator("#json-error")).to_be_hidden()
    expect(page.locator(f"input[type=number][data-width='{name}']")).to_have_value("5")


def test_what_is_copied_as_python_and_curl_is_what_is_seen(service: Service, tab: Watched) -> None:
    page = tab.open(f"{service.url}/what-if?target={TARGET}")
    page.get_by_role("button", name="50%").click()
    page.wait_for_load_state("networkidle")
    about = space(page, service)
    name = about["widths"][0]["name"]
    half = page.locator(f"input[type=number][data-width='{name}']").input_value()
    for box in ("#python", "#curl"):
        text = page.locator(f"{box} code").inner_text()
        assert f'"{name}":{half}' in text
        assert about["hash"] in text


def test_a_curve_is_drawn_with_its_advice(service: Service, tab: Watched) -> None:
    page = tab.open(f"{service.url}/curves?target={TARGET}&target=rack-openvino-cpu")
    about = space(page, service)
    width = about["widths"][1]["name"]
    page.locator("#width").select_option(width)
    page.wait_for_load_state("networkidle")
    block = page.locator("#block").input_value()
    request = {"targets": [TARGET, "rack-openvino-cpu"], "space": about["hash"], "width": width}
    request["block"] = block
    curves = posted(page, service, "/v1/curves", request)
    section = page.get_by_label("Advice")
    for curve in curves["curves"]:
        for advice in curve["advice"]:
            expect(section).to_contain_text(advice["text"])
    assert f"width={width}" in page.url
    chart = page.get_by_role("img", name=f"against the channels of {width}")
    assert chart.locator("canvas").evaluate("canvas => canvas.width") > 300
    with page.expect_download() as started:
        page.locator("#curve").get_by_role("button", name="CSV").click()
    rows = list(csv.DictReader(io.StringIO(started.value.path().read_text())))
    ours = [row for row in rows if row["target"] == TARGET]
    assert [int(row["channels"]) for row in ours] == curves["values"]
    line = curves["curves"][0]["line"]
    assert [float(row["predicted_ms"]) for row in ours] == line["latency_ms"]
    with page.expect_download() as image:
        page.locator("#curve").get_by_role("button", name="PNG").click()
    assert image.value.path().read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_the_report_says_what_the_lpnet_was_judged_at(service: Service, tab: Watched) -> None:
    page = tab.open(f"{service.url}/report?target={TARGET}")
    page.locator("#figures dd").first.wait_for()
    target = page.request.get(f"{service.url}/v1/targets/{TARGET}").json()
    report = page.request.get(f"{service.url}/v1/lpnets/{target['lpnet']}/report").json()
    mape = report["held_out"]["network"]["mape_pct"]
    assert page.locator("#figures dd").first.inner_text().startswith(f"{mape:.1f}")
    assert report["cuts"] is None
    assert report["reasons"]["cuts"] in page.locator("#cuts-sides").inner_text()
    page.locator("#kind").select_option("block")
    covered = report["interval_block"]["covered_pct"]
    expect(page.locator("#calibration")).to_contain_text(f"of blocks cover {covered:.3g}%")
    page.locator("#kind").select_option("network")
    worst = page.locator("#worst tr").first
    worst.locator("a[href*='/table?']").click()
    page.wait_for_url("**/table?**")
    page.get_by_label("Selected sample").wait_for()
