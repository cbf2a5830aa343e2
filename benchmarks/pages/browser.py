"""How long pages take to show their data in headless Chromium, with 1,000,000 samples of 200
targets, on SQLite and Postgres.

    python -m benchmarks.pages.browser [--samples N] [--targets N] [--database URL ...]

Databases as in `python -m benchmarks.pages`. The service and the browser run on this machine. Each
page is opened in a new browser profile without a cache. `paint` is the first contentful paint,
`content` is when the page shows its data, both from the start of the navigation. First visits, to
a service that has just started, are shown separately; the medians are those of later visits.
"""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path

from playwright.sync_api import Browser
from tests.harness.browser import chromium
from tests.harness.serving import serving_url

from benchmarks.pages.databases import filled
from lpnet_service.web.pages import PAGES

ROUNDS = 5
LIMIT_MS = 1000
# An element that shows the data of the page, in addition to its mark that it is ready.
CONTENT = {
    "devices": "#rows tr",
    "table": ".tabulator-row",
    "compare": ".tabulator-row",
    "curves": "#curve canvas",
    "what-if": "#ms .unit",
    "report": "#figures dd",
    "campaigns": "#rows tr",
}
_PAINT = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0"


def visit(browser: Browser, url: str, content_at: str | None) -> tuple[float, float]:
    """Milliseconds to the first paint, and to the content: the element `content_at`, if any."""
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(url, wait_until="commit")
        page.wait_for_selector("html[data-ready]", state="attached")
        if content_at is not None:
            page.wait_for_selector(content_at, state="attached")
        content = page.evaluate("performance.now()")
        page.wait_for_load_state("load")
        return float(page.evaluate(_PAINT)), float(content)


def measure(browser: Browser, url: str, folder: Path) -> None:
    print(f"{url.partition(':')[0]}: milliseconds in the browser")
    print(f"  {'':12} {'first visit':>22} {'median of ' + str(ROUNDS):>22}")
    print(f"  {'':12} {'paint':>11}{'content':>11} {'paint':>11}{'content':>11}")
    with serving_url(url, folder / "service.log") as service:
        for page in PAGES:
            first, *later = (
                visit(browser, service.url + page.path, CONTENT.get(page.name))
                for _ in range(1 + ROUNDS)
            )
            paint, content = (statistics.median(figures) for figures in zip(*later, strict=True))
            note = f"  above {LIMIT_MS}" if content > LIMIT_MS else ""
            print(
                f"  {page.name:12} {first[0]:>11.0f}{first[1]:>11.0f} "
                f"{paint:>11.0f}{content:>11.0f}{note}",
                flush=True,
            )


def main() -> None:
    with (
        filled(__doc__) as urls,
        tempfile.TemporaryDirectory() as folder,
        chromium() as browser,
    ):
        for url in urls:
            measure(browser, url, Path(folder))


if __name__ == "__main__":
    main()
