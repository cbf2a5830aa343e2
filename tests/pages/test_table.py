"""The latency table: sorted, filtered, searched and paged by the service, and compared."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

from playwright.sync_api import Page, expect
from tests.harness.serving import Service
from tests.pages.conftest import Watched

TARGET = "rack-ort-cpu"


def api(page: Page, service: Service, path: str) -> Any:
    response = page.request.get(service.url + path)
    assert response.ok, response.text()
    return response.json()


def column(page: Page, field: str) -> list[str]:
    cells = page.locator(f"#table .tabulator-row .tabulator-cell[tabulator-field='{field}']")
    return [text.replace("\n", " ").strip() for text in cells.all_inner_texts()]


def first_latency(page: Page) -> float:
    return float(column(page, "latency_ms")[0].split()[0])


def test_it_shows_what_the_api_says(service: Service, tab: Watched) -> None:
    page = tab.open(f"{service.url}/table?target={TARGET}&sort=-latency_ms")
    page.locator("#table .tabulator-row").first.wait_for()
    rows = api(page, service, f"/v1/targets/{TARGET}/table?sort=-latency_ms&limit=5")
    shown = column(page, "latency_ms")[:5]
    for text, row in zip(shown, rows["items"], strict=True):
        assert abs(float(text.split()[0]) / row["latency_ms"] - 1) < 0.006, "three digits"
    assert f"{rows['matching']} samples" in page.locator("#matching").inner_text()


def test_sorting_is_the_services_and_goes_by_keyboard(service: Service, tab: Watched) -> None:
    page = tab.open(f"{service.url}/table?target={TARGET}")
    header = page.locator(".tabulator-col[tabulator-field='latency_ms']")
    header.wait_for()
    header.focus()
    with page.expect_response(lambda response: "sort=latency_ms" in response.url):
        page.keyboard.press("Enter")
    expect(header).to_have_attribute("aria-sort", "ascending")
    lowest = api(page, service, f"/v1/targets/{TARGET}/table?sort=latency_ms&limit=1")["items"][0]
    page.wait_for_timeout(200)
    assert abs(first_latency(page) / lowest["latency_ms"] - 1) < 0.006
    assert "sort=latency_ms" in page.url
    with page.expect_response(lambda response: "sort=-latency_ms" in response.url):
        page.keyboard.press("Enter")
    expect(header).to_have_attribute("aria-sort", "descending")


def test_filters_and_search_are_in_the_address(service: Service, tab: Watched) -> None:
    page = tab.open(f"{service.url}/table?target={TARGET}")
    page.locator("#table .tabulator-row").first.wait_for()
    with page.expect_response(lambda response: "kind=network" in response.url):
        page.get_by_label("Kind").select_option("network")
    networks = api(page, service, f"/v1/targets/{TARGET}/table?kind=network")["matching"]
    expect(page.locator("#matching")).to_contain_text(f"{networks} samples")
    page.get_by_label("Kind").select_option("")
    with page.expect_response(lambda response: "search=layer2" in response.url):
        page.get_by_label("Search").fill("layer2")
    matching = api(page, service, f"/v1/targets/{TARGET}/table?search=layer2")["matching"]
    expect(page.locator("#matching")).to_contain_text(f"{matching} samples")
    assert 0 < matching < networks + matching
    page.reload()
    page.wait_for_selector("html[data-ready]", state="attached")
    expect(page.locator("#matching")).to_contain_text(f"{matching} samples")
    expect(page.get_by_label("Search")).to_have_value("layer2")


def test_a_row_opens_with_everything_that_is_known_of_it(service: Service, tab: Watched) -> None:
    page = tab.open(f"{service.url}/table?target={TARGET}&kind=network&disturbed=false")
    row = page.locator("#table .tabulator-row").first
    row.click()
    card = page.get_by_label("Selected sample")
    sample = card.locator("dd").first.inner_text()
    assert f"sample={sample}" in page.url
    card.get_by_role("link", name="Try other widths").click()
    page.wait_for_url("**/what-if?**")
    page.wait_for_selector("html[data-ready]", state="attached")
    tried = json.loads(
        page.request.get(f"{service.url}/v1/samples?target={TARGET}&limit=1000").text()
    )
    widths = next(s for s in tried["items"] if s["id"] == sample)["workload"]["widths"]
    for name, value in widths.items():
        field = page.locator(f"input[type=number][data-width='{name}']")
        assert field.input_value() == str(value)


def test_what_is_seen_is_saved_as_csv(service: Service, tab: Watched) -> None:
    page = tab.open(f"{service.url}/table?target={TARGET}&kind=network&sort=-latency_ms")
    page.locator("#table .tabulator-row").first.wait_for()
    with page.expect_download() as started:
        page.get_by_role("link", name="CSV").click()
    text = started.value.path().read_text()
    rows = list(csv.DictReader(io.StringIO(text)))
    table = api(
        page, service, f"/v1/targets/{TARGET}/table?kind=network&sort=-latency_ms&limit=500"
    )
    assert [float(row["latency_ms"]) for row in rows] == [
        item["latency_ms"] for item in table["items"]
    ]


def ratio_of(text: str) -> float:
    """The ratio of a difference such as "12% less time"."""
    if text == "the same time":
        return 1.0
    number, _, rest = text.partition(" ")
    if rest == "times as long":
        return float(number)
    share = float(number.rstrip("%")) / 100
    return 1 + share if rest == "more time" else 1 - share


def test_targets_are_compared_on_the_workloads_they_share(service: Service, tab: Watched) -> None:
    other = "rack-openvino-cpu"
    page = tab.open(f"{service.url}/compare?target={TARGET}&target={other}")
    page.locator("#table .tabulator-row").first.wait_for()
    summary = api(page, service, f"/v1/compare/summary?target={TARGET}&target={other}")
    line = page.locator("#summary tr", has_text=other)
    median = summary["all"]["targets"][1]["median_ratio"]
    assert median < 1
    assert f"{100 * (1 - median):.0f}% less time" in line.inner_text()
    assert f"ratio {median:.3f}" in line.inner_text()
    shown = [ratio_of(text) for text in column(page, "ratio_1")]
    assert shown == sorted(shown)
    with page.expect_response(lambda response: "sort=-ratio" in response.url):
        page.locator(".tabulator-col[tabulator-field='ratio_1']").click()
    with page.expect_response(f"**/compare/summary?target={other}&target={TARGET}"):
        page.get_by_label("Compared with").select_option(other)
    expect(page.locator("#summary tr").first).to_contain_text(other)
