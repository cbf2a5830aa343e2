"""The page of a space: all that the API tells, readable for large spaces too."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from playwright.sync_api import Browser, Page, expect
from tests.harness.serving import Service
from tests.pages.conftest import Watched, watched
from tests.pages.test_every_page import grave

from lpnet.http import Http
from lpnet.space.compiling import Frozen
from lpnet.space.space import Space

MARKUP = "<img src=x onerror=alert(1)>"
FROZEN = tuple(
    Frozen(
        f"backbone.stages.{index}.{'a_name_without_blanks_' * 8}",
        "LayerNormalization",
        f"{MARKUP} is invalid for input of size {'9' * 300}",
        1,
        tuple(f"layer.{number}.projection" for number in range(index % 9)),
    )
    for index in range(150)
)


def fetched(page: Page, service: Service, path: str) -> Any:
    response = page.request.get(service.url + path)
    assert response.ok, response.text()
    return response.json()


def uploaded_large(service: Service) -> str:
    """A space with many frozen parts of long names and reasons; returns its hash."""
    with Http(service.url) as http:
        stored = http.get("/v1/spaces")["items"][0]["hash"]
        file = http.get_bytes(f"/v1/spaces/{stored}/file")
        assert file is not None
        space = Space.from_bytes(file.content).at(resolution=64)
        space = replace(space, name=MARKUP, frozen=FROZEN)
        http.post_bytes("/v1/spaces", space.to_bytes())
    return space.hash


def test_it_shows_what_the_api_tells(service: Service, tab: Watched) -> None:
    page = tab.open(f"{service.url}/space")
    stored = fetched(page, service, "/v1/spaces")["items"][-1]["hash"]
    facts = fetched(page, service, f"/v1/spaces/{stored}/summary")
    expect(page.locator("#widths tr")).to_have_count(len(facts["widths"]))
    first, width = page.locator("#widths tr").first, facts["widths"][0]
    expect(first).to_contain_text(width["name"])
    expect(first).to_contain_text(str(width["max"]))
    for layer in width["layers"]:
        expect(first).to_contain_text(layer)
    (part,) = facts["frozen"]
    row = page.locator("#frozen tr")
    for text in (part["node"], part["op"], str(part["channels"]), part["reason"]):
        expect(row).to_contain_text(text)
    figures = page.locator("#figures")
    expect(figures).to_contain_text(f"{facts['frozen_channels']} of {facts['channels']}")
    expect(page.locator("#facts")).to_contain_text(stored)
    targets = fetched(page, service, "/v1/targets")["items"]
    expect(page.locator("#targets tr")).to_have_count(len(targets))
    largest = max(target["samples"] for target in targets)
    expect(page.locator("#targets tr").first).to_contain_text(str(largest))
    with page.expect_download() as started:
        page.get_by_role("link", name="Download the space file").click()
    assert started.value.suggested_filename == f"{facts['name']}.onnx"
    assert Space.load(started.value.path()).hash == stored


def test_the_diagram_is_drawn_in_the_colours_of_the_page(service: Service, tab: Watched) -> None:
    page = tab.open(f"{service.url}/space")
    diagram = page.locator("#diagram")
    for colours in ("light", "dark"):
        expect(diagram).to_have_attribute("src", f"{diagram_path(page)}?colours={colours}")
        page.wait_for_function("() => document.getElementById('diagram').naturalWidth > 200")
        page.locator("#theme").click()


def diagram_path(page: Page) -> str:
    return f"/v1/spaces/{page.locator('#space').input_value()}/diagram"


def test_a_campaign_links_to_its_space(service: Service, tab: Watched) -> None:
    page = tab.open(f"{service.url}/campaigns")
    page.get_by_role("link", name="about the space").first.click()
    page.wait_for_url("**/space?space=*")
    expect(page.locator("#widths tr").first).to_be_visible()


def test_a_large_space_is_readable(own_service: Service, browser: Browser) -> None:
    """Names are texts and wrap, and axe finds no serious fault, on a phone too."""
    hash_ = uploaded_large(own_service)
    for width, scheme in ((1280, "light"), (390, "dark")):
        with browser.new_context(
            viewport={"width": width, "height": 844},
            color_scheme="dark" if scheme == "dark" else "light",
        ) as context:
            tab = watched(context)
            page = tab.open(f"{own_service.url}/space?space={hash_}")
            rows = page.locator("#frozen tr")
            expect(rows).to_have_count(len(FROZEN))
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            for table in page.locator(".long").all():
                assert table.evaluate("e => e.scrollWidth <= e.clientWidth")
                assert table.evaluate("e => e.clientHeight < 600")
            details = rows.nth(8).locator("details")
            details.locator("summary").click()
            expect(details.get_by_text("layer.7.projection")).to_be_visible()
            page.wait_for_function("() => document.getElementById('diagram').naturalWidth > 200")
            assert page.locator("main img").count() == 1
            assert grave(page) == []
            assert tab.faults == []
