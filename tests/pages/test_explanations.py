"""Every figure says what it means, to a mouse, a keyboard and a finger."""

from __future__ import annotations

from playwright.sync_api import Locator, Page, expect
from tests.harness.serving import Service
from tests.pages.conftest import Watched


def explanation(page: Page, term: Locator) -> Locator:
    """The explanation that belongs to a term."""
    return term.locator("xpath=following-sibling::*[@role='note']")


def test_an_explanation_opens_by_keyboard_and_stays_in_the_window(
    service: Service, tab: Watched
) -> None:
    page = tab.open(f"{service.url}/report")
    for name in ("Rank correlation", "Learning curve"):
        term = page.locator("main").get_by_role("button", name=name).first
        term.focus()
        page.keyboard.press("Enter")
        note = explanation(page, term)
        expect(note).to_be_visible()
        expect(note).not_to_be_empty()
        box = note.bounding_box()
        assert box is not None
        assert 0 <= box["x"] <= box["x"] + box["width"] <= 1280
        assert 0 <= box["y"] <= box["y"] + box["height"] <= 900
        page.keyboard.press("Escape")
        expect(note).to_be_hidden()
        expect(term).to_be_focused()


def test_an_explanation_opens_by_touch_on_a_card_of_a_phone(
    service: Service, phone: Watched
) -> None:
    page = phone.open(f"{service.url}/devices")
    term = page.get_by_role("button", name="LPNet error")
    term.tap()
    note = explanation(page, term)
    expect(note).to_contain_text("Mean absolute error")
    box = note.bounding_box()
    assert box is not None
    assert 0 <= box["x"] <= box["x"] + box["width"] <= 390


def test_a_term_in_a_header_that_sorts_does_not_sort(service: Service, tab: Watched) -> None:
    page = tab.open(f"{service.url}/table")
    header = page.locator(".tabulator-col[tabulator-field='latency_ms']")
    header.locator("button.term").click()
    expect(header.locator("[role=note]")).to_contain_text("Median time")
    assert header.get_attribute("aria-sort") == "none"
    header.locator("button.term").press("Enter")
    assert header.get_attribute("aria-sort") == "none"


def test_explanations_stay_open_while_a_page_is_updated(service: Service, tab: Watched) -> None:
    page = tab.open(f"{service.url}/devices")
    term = page.locator("#summary").get_by_role("button", name="Samples")
    term.click()
    with page.expect_response("**/v1/targets"):
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    page.wait_for_load_state("networkidle")
    expect(explanation(page, term)).to_be_visible()
