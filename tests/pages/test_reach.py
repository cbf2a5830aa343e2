"""What a reader looks for is in sight: on a phone, below a long table, and for all widths."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Locator, expect
from tests.harness.serving import Service
from tests.pages.conftest import Watched
from tests.pages.evaluating import evaluate

ORT, OPENVINO = "rack-ort-cpu", "rack-openvino-cpu"


def is_within(element: Locator, width: int, height: int) -> bool:
    box = element.bounding_box()
    assert box is not None
    right, bottom = box["x"] + box["width"], box["y"] + box["height"]
    return box["x"] >= 0 and right <= width and box["y"] >= 0 and bottom <= height


def test_a_row_that_is_clicked_opens_in_sight(service: Service, tab: Watched) -> None:
    page = tab.open(f"{service.url}/table?target={ORT}")
    row = page.locator("#table .tabulator-row").first
    row.click()
    card = page.get_by_label("Selected sample")
    expect(card).to_be_focused()
    assert is_within(card, 1280, 900)
    assert is_within(row, 1280, 900)
    page.keyboard.press("Escape")
    expect(card).to_be_hidden()
    expect(row).to_be_focused()


def test_tables_are_cards_on_a_phone(service: Service, phone: Watched) -> None:
    page = phone.open(f"{service.url}/table?target={ORT}")
    for field in ("block", "latency_ms", "predicted_ms", "disturbed"):
        cell = page.locator(f".tabulator-row .tabulator-cell[tabulator-field={field}]").first
        cell.scroll_into_view_if_needed()
        assert is_within(cell, 390, 844), field
    page = phone.open(f"{service.url}/compare?target={ORT}&target={OPENVINO}")
    cell = page.locator(".tabulator-row .tabulator-cell[tabulator-field=ratio_1]").first
    cell.scroll_into_view_if_needed()
    # Rows are drawn anew while they scroll.
    expect(cell).to_be_in_viewport(ratio=0.99)
    expect(cell).to_have_attribute("data-label", f"against {ORT}")
    part = page.locator("#parts td.num").last
    part.scroll_into_view_if_needed()
    assert is_within(part, 390, 844)


def test_a_phone_sorts_by_the_titles(service: Service, phone: Watched) -> None:
    page = phone.open(f"{service.url}/table?target={ORT}")
    with page.expect_response(lambda response: "sort=latency_ms" in response.url):
        page.locator(".tabulator-col[tabulator-field=latency_ms]").tap(position={"x": 5, "y": 8})


def test_all_sliders_are_shown_and_the_prediction_stays(service: Service, tab: Watched) -> None:
    page = tab.open(f"{service.url}/what-if?target={ORT}")
    page.locator("#parts tr").first.wait_for()
    widths = page.locator("#widths")
    assert widths.evaluate("list => list.scrollHeight <= list.clientHeight")
    widths.get_by_role("slider").last.scroll_into_view_if_needed()
    assert is_within(page.locator("#ms"), 1280, 900)


def test_a_bar_is_as_long_as_its_share(service: Service, tab: Watched) -> None:
    page = tab.open(f"{service.url}/what-if?target={ORT}")
    page.locator("#parts tr").first.wait_for()
    bars = page.locator("#parts progress")
    shares = bars.evaluate_all("bars => bars.map(({ value, max }) => 100 * value / max)")
    texts = page.locator("#parts .share .num").all_inner_texts()
    for share, text in zip(shares, texts, strict=True):
        assert abs(share - float(text.split()[0])) <= 0.5


def pruning(space: Any) -> dict[str, Any]:
    widths = {width["name"]: max(1, width["max"] // 2) for width in space["widths"]}
    return {
        "id": f"pruning-{7:024x}",
        "job": f"prune-{3:024x}",
        "round": 1,
        "chosen": True,
        "target": ORT,
        "space": space["hash"],
        "method": "wgates",
        "model": "little",
        "data": "digits",
        "seed": 0,
        "budget_ms": 0.5,
        "dense_ms": 1.0,
        "dense_predicted_ms": 1.0,
        "predicted_ms": 0.5,
        "measured_ms": 0.4321,
        "accuracy_before": 0.99,
        "accuracy_after": 0.98,
        "macs_before": 100,
        "macs_after": 50,
        "params_before": 10,
        "params_after": 5,
        "widths": widths,
        "epochs": {"tune": 4},
        "seconds": {"tune": 61.0},
        "created_at": "2026-01-31T12:00:00Z",
        "lpnet_version": "1",
    }


def test_what_was_measured_of_a_pruned_network_is_shown(
    own_service: Service, tab: Watched
) -> None:
    """From the overview to the job, and to What if, which says it until a width changes."""
    url = own_service.url
    space = tab.page.request.get(f"{url}/v1/spaces").json()["items"][0]
    answer = tab.page.request.post(f"{url}/v1/prunings", data=pruning(space))
    assert answer.ok, answer.text()
    page = tab.open(f"{url}/")
    page.locator("#jobs").get_by_role("link", name="wgates, little").click()
    page.wait_for_url("**/job?job=prune-*")
    expect(page.locator("#candidates tr")).to_have_count(1)
    expect(page.locator("#figures")).to_contain_text("0.432 ms")
    expect(page.locator("#facts")).to_contain_text("tune 61 s")
    page.get_by_role("link", name="candidate 1").click()
    page.wait_for_url("**/what-if?**")
    measured = page.locator("#measured")
    expect(measured).to_contain_text("0.432 ms measured (wgates job")
    page.get_by_role("button", name="75%").click()
    expect(measured).to_be_hidden()


def test_curves_open_on_the_block_of_the_width(service: Service, tab: Watched) -> None:
    page = tab.open(f"{service.url}/curves?target={ORT}&width=layer2.0.conv1")
    expect(page.locator("#block")).to_have_value("layer2.0")
    expect(page.locator("#curve")).to_contain_text("Latency of block layer2.0")
    page.locator("#width").select_option("layer1.1.conv1")
    expect(page.locator("#block")).to_have_value("layer1.1")
    with page.expect_request(lambda request: '"at":{' in (request.post_data or "")):
        page.locator("#others").select_option("50")
    page.wait_for_load_state("networkidle")
    expect(page.locator("#notice")).to_be_hidden()
    expect(page.locator("#curve")).to_contain_text("Latency of block layer1.1")
    page.locator("#block").select_option("")
    expect(page.locator("#curve")).to_contain_text("Latency of the whole network")
    assert "of=network" in page.url


def test_differences_are_said_as_people_say_them(service: Service, tab: Watched) -> None:
    page = tab.open(f"{service.url}/login")
    sayings = {
        1.37: "37% more time",
        0.907: "9.3% less time",
        2.4: "2.4 times as long",
        1.001: "the same time",
    }
    for ratio, text in sayings.items():
        assert evaluate(page, "lib/format.js", "difference", ratio)["text"] == text


def test_a_device_has_a_page(service: Service, tab: Watched) -> None:
    page = tab.open(f"{service.url}/devices")
    page.get_by_role("link", name="rack", exact=True).click()
    page.wait_for_url("**/device?device=rack")
    expect(page.locator("#facts")).to_contain_text("AMD EPYC 9654")
    expect(page.locator("#rows tr")).to_have_count(2)
    expect(page.locator("#sentinels")).to_contain_text("No sentinel was read")
