"""What every page must do: open without faults, load only from its server, explain its figures, be
accessible."""

from __future__ import annotations

import json
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect
from tests.harness.serving import Service, serving
from tests.pages.conftest import Watched, watched

from lpnet_service.web.pages import PAGES

PATHS = [page.path for page in PAGES]
# Tiles, columns and charts without a term that explains them.
_UNEXPLAINED = """() => {
  const text = (element) => element.textContent.trim();
  const isUnexplained = (element) => !element?.querySelector("button.term");
  const labels = [
    ...document.querySelectorAll(".figures dt, .tabulator-col-title"),
    ...[...document.querySelectorAll("th[scope=col]")].filter(
      (cell) => !cell.querySelector(":scope > .visually-hidden") && text(cell),
    ),
  ].filter(isUnexplained).map(text);
  const charts = [...document.querySelectorAll(".figure")]
    .filter((figure) => isUnexplained(figure.closest(".card").querySelector("h2")))
    .map(({ id }) => `chart ${id}`);
  return [...labels, ...charts];
}"""


def grave(page: Page) -> list[str]:
    """Violations of accessibility rules that axe calls serious or critical."""
    violations = Axe().run(page).response["violations"]
    return [
        f"{violation['id']}: {node['html'][:200]}"
        for violation in violations
        if violation["impact"] in ("serious", "critical")
        for node in violation["nodes"]
    ]


@pytest.mark.parametrize("path", PATHS)
def test_it_opens_without_a_fault_and_asks_only_its_own_server(
    path: str, service: Service, tab: Watched
) -> None:
    page = tab.open(service.url + path)
    assert page.locator("h1").inner_text()
    page.wait_for_load_state("networkidle")
    page.wait_for_function(
        "() => document.querySelectorAll('.loading:not([hidden])').length === 0"
    )
    assert page.evaluate(_UNEXPLAINED) == []
    own_server = urlsplit(service.url).netloc
    elsewhere = {
        url
        for url in tab.requests
        if urlsplit(url).netloc != own_server and url[:5] not in ("data:", "blob:")
    }
    assert elsewhere == set()


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.slow)])
def test_axe_finds_no_serious_fault(
    path: str, scheme: str, service: Service, browser: Browser
) -> None:
    with browser.new_context(color_scheme="dark" if scheme == "dark" else "light") as context:
        tab = watched(context)
        page = tab.open(service.url + path)
        page.wait_for_load_state("networkidle")
        assert page.locator("html").get_attribute("data-theme") == scheme
        assert grave(page) == []


@pytest.mark.parametrize("path", PATHS)
def test_at_phone_width_nothing_is_cut_off(path: str, service: Service, phone: Watched) -> None:
    page = phone.open(service.url + path)
    page.wait_for_load_state("networkidle")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.locator("html").get_attribute("data-theme") == "dark"


@pytest.mark.parametrize("path", PATHS)
def test_the_policy_is_strict(path: str, service: Service, tab: Watched) -> None:
    answer = tab.page.request.get(service.url + path)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-cache"


def test_without_a_device_pages_say_what_to_do(
    browser: Browser, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with (
        serving(tmp_path_factory.mktemp("empty") / "empty.db") as empty,
        browser.new_context() as context,
    ):
        tab = watched(context)
        for path in PATHS:
            page = tab.open(empty.url + path)
            page.wait_for_load_state("networkidle")
            assert page.locator(".loading:visible").count() == 0, path
            assert grave(page) == [], path
        page = tab.open(empty.url + "/")
        steps = page.get_by_role("region", name="First steps")
        assert f"lpnet-agent run --server {empty.url}" in steps.inner_text()
        assert tab.faults == []


def test_a_service_that_goes_away_is_said_and_seen_to_come_back(
    own_service: Service, tab: Watched
) -> None:
    page = tab.open(own_service.url + "/devices")
    status = page.locator("#connection")
    tab.allowed.append("net::ERR_")
    page.route("**/v1/**", lambda route: route.abort())
    status.filter(has_text="No response from the service since").wait_for()
    page.unroute("**/v1/**")
    expect(status).to_have_text("")
    assert page.get_by_role("link", name="rack-ort-cpu").is_visible()


def test_an_error_is_shown_in_the_place_of_the_content(service: Service, tab: Watched) -> None:
    tab.allowed.append("status of 500")
    problem = json.dumps({"status": 500, "code": "internal", "detail": "It broke."})
    tab.page.route(
        "**/v1/targets",
        lambda route: route.fulfill(
            status=500, body=problem, content_type="application/problem+json"
        ),
    )
    page = tab.open(service.url + "/")
    assert "It broke." in page.get_by_role("alert").inner_text()
    assert page.get_by_role("button", name="Try again").is_visible()


def test_colours_are_chosen_and_kept(service: Service, tab: Watched) -> None:
    page = tab.open(service.url + "/")
    page.get_by_role("button", name="Colours: light").click()
    assert page.locator("html").get_attribute("data-theme") == "dark"
    page = tab.open(service.url + "/campaigns")
    assert page.locator("html").get_attribute("data-theme") == "dark"
