"""A real service with a furnished database, and pages of it in a real browser."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page
from tests.harness import lab
from tests.harness.browser import chromium
from tests.harness.serving import Service, serving


@pytest.fixture(scope="session")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite file with a small lab in it."""
    path = tmp_path_factory.mktemp("lab") / "lab.db"
    lab.furnish(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def service(furnished: Path) -> Iterator[Service]:
    """The lab's service, which all tests share that leave it as it was."""
    with serving(furnished) as running:
        yield running


@pytest.fixture
def own_service(furnished: Path, tmp_path: Path) -> Iterator[Service]:
    """A lab of one's own, to change and to end."""
    shutil.copy(furnished, tmp_path / "own.db")
    with serving(tmp_path / "own.db") as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Playwright keeps an event loop in this thread, in which other tests could not run theirs: it
    ends with the module."""
    with chromium() as made:
        yield made


@dataclass
class Watched:
    """A page, and what went wrong in it. `allowed`: words of what a test expects to go wrong."""

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
    made = Watched(context.new_page())
    made.page.set_default_timeout(15_000)
    made.page.on(
        "console", lambda said: made.faults.append(said.text) if said.type == "error" else None
    )
    made.page.on("pageerror", lambda error: made.faults.append(str(error)))
    made.page.on("request", lambda asked: made.requests.append(asked.url))
    return made


@pytest.fixture
def tab(browser: Browser) -> Iterator[Watched]:
    """A tab of a fresh profile; nothing may go wrong in it that the test does not allow."""
    with browser.new_context(viewport={"width": 1280, "height": 900}) as context:
        made = watched(context)
        yield made
        unexpected = [f for f in made.faults if not any(word in f for word in made.allowed)]
        assert unexpected == []


@pytest.fixture
def phone(browser: Browser) -> Iterator[Watched]:
    """The same at the width of a phone, in the dark."""
    with browser.new_context(
        viewport={"width": 390, "height": 844}, color_scheme="dark", has_touch=True
    ) as context:
        made = watched(context)
        yield made
        assert made.faults == []
