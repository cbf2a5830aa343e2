"""Changes made on a page: starting and cancelling campaigns, logging in and out."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import expect
from tests.harness.serving import Service, serving
from tests.pages.conftest import Watched


def test_a_campaign_is_started_and_cancelled(own_service: Service, tab: Watched) -> None:
    page = tab.open(f"{own_service.url}/campaigns")
    rows = page.locator("#rows tr")
    expect(rows).to_have_count(1)
    page.get_by_text("Start a campaign").click()
    form = page.locator("#form")
    form.get_by_label("Target").select_option("rack-ort-cpu")
    form.get_by_label("Blocks").fill("4")
    form.get_by_label("Networks").fill("2")
    form.get_by_label("Chosen by a pruner").fill("0")
    form.get_by_label("Repeats").fill("0")
    expect(page.locator("#estimate")).to_contain_text("6 samples")
    page.get_by_role("button", name="Start measuring").click()
    expect(rows).to_have_count(2)
    page.on("dialog", lambda dialog: dialog.accept())
    rows.first.get_by_role("button", name="Cancel").click()
    expect(rows.first).to_contain_text("cancelled")
    newest, older = page.request.get(f"{own_service.url}/v1/campaigns").json()["items"]
    assert (newest["total"], newest["state"], older["state"]) == (6, "cancelled", "running")


def test_what_cannot_be_is_said_beside_the_form(own_service: Service, tab: Watched) -> None:
    tab.allowed.append("422")
    page = tab.open(f"{own_service.url}/campaigns")
    page.get_by_text("Start a campaign").click()
    form = page.locator("#form")
    form.get_by_label("Blocks").fill("0")
    form.get_by_label("Networks").fill("0")
    expect(page.locator("#form-error")).to_contain_text("at least one must not be empty")


def test_a_service_with_tokens_asks_for_one_and_lets_go_of_it(
    furnished: Path, tmp_path: Path, tab: Watched
) -> None:
    """A session has no more rights than its token."""
    database = tmp_path / "closed.db"
    database.write_bytes(furnished.read_bytes())
    environment = os.environ | {"LPNET_DATABASE_URL": f"sqlite:///{database}"}
    created = subprocess.run(
        [
            *(sys.executable, "-m", "lpnet_service", "token", "create"),
            *("--name", "reader", "--scope", "predict"),
        ],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    secret = next(word for word in created.stdout.split() if word.startswith("lpnet_"))
    tab.allowed += ["401", "403"]
    with serving(database, LPNET_TOKENS="required") as service:
        page = tab.page
        page.goto(f"{service.url}/campaigns?state=running")
        page.wait_for_url("**/login?**")
        page.wait_for_selector("html[data-ready]", state="attached")
        page.get_by_label("Token").fill("lpnet_wrong")
        page.get_by_role("button", name="Log in").click()
        expect(page.get_by_role("alert")).to_contain_text("This token is unknown")
        page.get_by_label("Token").fill(secret)
        page.get_by_role("button", name="Log in").click()
        page.wait_for_url("**/campaigns?state=running")
        expect(page.locator("#rows tr")).to_have_count(1)
        assert secret not in page.evaluate("document.cookie + JSON.stringify(localStorage)")
        page.on("dialog", lambda dialog: dialog.accept())
        page.locator("#rows").get_by_role("button", name="Cancel").click()
        expect(page.get_by_role("alert")).to_contain_text("scope")
        page.get_by_role("button", name="Log out").click()
        page.wait_for_url("**/login")
        page.goto(f"{service.url}/")
        page.wait_for_url("**/login?**")


def test_logging_in_leads_to_no_other_site(own_service: Service, tab: Watched) -> None:
    page = tab.open(f"{own_service.url}/login?next=https://example.org/pareto")
    page.route("**/v1/session", lambda route: route.fulfill(status=201, body="{}"))
    page.get_by_label("Token").fill("lpnet_any")
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(f"{own_service.url}/")
