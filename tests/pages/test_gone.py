"""Links to what is not there say so."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect
from tests.harness.serving import Service
from tests.pages.conftest import Watched

NO_SPACE = "0" * 64
SAYS = {
    "/table?target=gone": "There is no target “gone” here. Shown instead: ",
    "/table?block=gone": "There is no measured block “gone” here. Shown instead: any block.",
    "/table?sample=sample-gone": "There is no sample “sample-gone”",
    "/compare?target=gone&target=rack-ort-cpu": "There is no target with samples “gone” here.",
    "/curves?target=gone": "There is no target with an LPNet “gone” here.",
    "/curves?width=gone": "There is no width “gone” here. Shown instead: ",
    "/what-if?target=phone-litert-cpu": "There is no target with an LPNet “phone-litert-cpu”",
    "/what-if?w=gone:3": "The space has no width “gone”.",
    "/what-if?pruning=pruning-gone": "There is no pruning result “pruning-gone” here.",
    "/report?version=gone": "There is no version “gone” here. Shown instead: ",
    f"/space?space={NO_SPACE}": f"There is no space “{NO_SPACE[:12]}” here. Shown",
    "/campaigns?target=gone": "There is no target “gone” here. Shown instead: any target.",
    "/device?device=gone": "There is no device “gone” here. Shown instead: ",
}


@pytest.mark.parametrize("path", SAYS)
def test_it_is_said_above_what_is_shown_instead(path: str, service: Service, tab: Watched) -> None:
    tab.allowed += ["404", "422"]
    page = tab.open(service.url + path)
    expect(page.locator("#gone")).to_contain_text(SAYS[path])


def test_another_choice_ends_the_notice(service: Service, tab: Watched) -> None:
    page = tab.open(f"{service.url}/report?target=gone")
    expect(page.locator("#gone")).to_be_visible()
    page.locator("#target").select_option("rack-openvino-cpu")
    expect(page.locator("#gone")).to_have_count(0)


def test_a_browser_gets_a_page_for_a_path_without_one(service: Service, tab: Watched) -> None:
    tab.allowed.append("404")
    page = tab.open(f"{service.url}/campain")
    expect(page.get_by_role("heading", name="There is no such page")).to_be_visible()
    expect(page.locator("#path")).to_have_text("/campain")
    page.get_by_role("main").get_by_role("link", name="Campaigns").click()
    page.wait_for_url("**/campaigns")
