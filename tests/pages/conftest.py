"""A real service with a furnished database, and pages of it in a real browser."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect
from tests.harness import lab
from tests.harness.browser import chromium
from tests.harness.serving import Service, serving

# Longer than a page waits before it asks again, on a busy machine too.
TIMEOUT_MS = 30_000
expect.set_options(timeout=TIMEOUT_MS)


@pytest.fixture(scope="session")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite file with a small lab in it."""
    path = tmp_path_factory.mktemp("lab") / "lab.db"
    lab.furnish(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def service(furnished: Path) -> Iterator[Service]:
    """The service of the lab, shared by all tests that do not change it."""
    with serving(furnished) as running:
        yield running


@pytest.fixture
def own_service(furnished: Path, tmp_path: Path) -> Iterator[Service]:
    """A service with its own copy of the lab, which a test may change."""
    shutil.copy(furnished, tmp_path / "own.db")
    with serving(tmp_path / "own.db") as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, closed after each module: until then Playwright has an event loop in this thread,
    and other tests could not run theirs."""
    with chromium() as browser:
        yield browser


@dataclass
class Watched:
    """A page, its requests and its faults. `allowed`: text of faults that a test expects."""

    page: Page
    faults: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    allowed: list[str] = field(default_factory=list)

    def open(self, url: str) -> Page:
        """The page once its module has filled it."""
        self.page.goto(url)
        self.page.wait_for_selector("html[data-ready]", state="attached")
        return self.page


def watched(context: BrowserContext) -> Watched:
    tab = Watched(context.new_page())

    def log(message: ConsoleMessage) -> None:
        if message.type == "error":
            tab.faults.append(message.text)

    tab.page.set_default_timeout(TIMEOUT_MS)
    tab.page.on("console", log)
    tab.page.on("pageerror", lambda error: tab.faults.append(str(error)))
    tab.page.on("request", lambda request: tab.requests.append(request.url))
    return tab


@pytest.fixture
def tab(browser: Browser) -> Iterator[Watched]:
    """A tab of a fresh profile; it fails on any fault that the test does not allow."""
    with browser.new_context(viewport={"width": 1280, "height": 900}) as context:
        tab = watched(context)
        yield tab
        unexpected = [f for f in tab.faults if not any(text in f for text in tab.allowed)]
        assert unexpected == []


@pytest.fixture
def phone(browser: Browser) -> Iterator[Watched]:
    """A tab as wide as a phone, with dark colours; it fails on any fault."""
    with browser.new_context(
        viewport={"width": 390, "height": 844}, color_scheme="dark", has_touch=True
    ) as context:
        tab = watched(context)
        yield tab
        assert tab.faults == []
