"""The pages. A new page needs an entry here, a template and a JavaScript module."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from lpnet_service.web import assets
from lpnet_service.web.headers import BrowserHeaders
from lpnet_service.web.modules import imported_modules
from lpnet_service.web.not_found import NotFoundPage


@dataclass(frozen=True)
class Page:
    """A page at `path`; `name` is the name of its template and of its module. `menu` is its label
    in the menu; None: it is not in the menu."""

    name: str
    path: str
    title: str
    menu: str | None = None


PAGES = (
    Page("overview", "/", "Overview", "Overview"),
    Page("devices", "/devices", "Devices", "Devices"),
    Page("table", "/table", "Latency table", "Latency table"),
    Page("compare", "/compare", "Compare targets", "Compare"),
    Page("curves", "/curves", "Latency curves", "Curves"),
    Page("what-if", "/what-if", "What if", "What if"),
    Page("report", "/report", "LPNet report", "Report"),
    Page("space", "/space", "Space", "Space"),
    Page("campaigns", "/campaigns", "Campaigns", "Campaigns"),
    Page("pareto", "/pareto", "Accuracy against latency", "Pareto"),
    Page("device", "/device", "Device"),
    Page("job", "/job", "Pruning job"),
    Page("login", "/login", "Log in"),
)

_NOT_FOUND = Page("not-found", "", "Not found")


def install(app: FastAPI) -> None:
    static = f"/static/{assets.version()}"
    templates = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )

    def render(page: Page) -> str:
        return templates.get_template(f"{page.name}.html").render(
            page=page,
            menu=[p for p in PAGES if p.menu],
            modules=imported_modules(f"js/pages/{page.name}.js"),
            static=static,
            version=version("lpnet"),
        )

    for page in PAGES:
        app.add_api_route(
            page.path, _serving(render(page)), name=f"page_{page.name}", include_in_schema=False
        )
    app.mount(static, assets.Assets(), name="static")
    app.add_middleware(NotFoundPage, body=render(_NOT_FOUND))
    app.add_middleware(BrowserHeaders)


def _serving(body: str) -> Callable[[Request], Awaitable[HTMLResponse]]:
    async def page(request: Request) -> HTMLResponse:
        # The page refers to the current version of its files: browsers must always check.
        return HTMLResponse(body, headers={"Cache-Control": "no-cache"})

    return page
