"""Every endpoint says who may call it, and docs/operate/security.md says the same."""

from __future__ import annotations

import re
from pathlib import Path

from fastapi.routing import iter_route_contexts
from starlette.routing import Mount, Route

from lpnet.schemas.token import SCOPES
from lpnet_service.api.app import Application, operations
from lpnet_service.services.shared.context import context
from lpnet_service.settings import Settings
from lpnet_service.web.assets import Assets
from lpnet_service.web.pages import PAGES

PUBLIC = {("get", "/healthz"), ("get", "/readyz"), ("post", "/v1/session")}
SECURITY = Path(__file__).parents[3] / "docs" / "operate" / "security.md"
ROW = re.compile(r"^\| `(GET|POST|PUT|DELETE) ([^`]+)` \| ([^|]*) \|", re.MULTILINE)


def test_every_endpoint_declares_its_access_or_is_public() -> None:
    undeclared = {(o.method, o.path) for o in operations() if o.scopes is None}
    assert undeclared == PUBLIC


def test_nothing_is_served_beside_the_endpoints() -> None:
    app = Application(context(Settings(database_url="sqlite:///never-opened.db")))
    served = {
        (method.lower(), contexts.path)
        for contexts in iter_route_contexts(app.routes)
        for method in (contexts.methods or ())
    }
    # Shells without data, and what they are made of.
    shells = {page.path for page in PAGES}
    plain = {route.path for route in app.routes if isinstance(route, Route)}
    assert plain == {"/openapi.json", "/docs"} | shells
    (files,) = [route for route in app.routes if isinstance(route, Mount)]
    assert isinstance(files.app, Assets)
    declared = {(o.method, o.path) for o in operations()}
    assert {(method, path) for method, path in served if path not in plain} == declared


def test_the_table_in_the_docs_is_the_code() -> None:
    documented = {
        (method.lower(), path): tuple(re.findall(r"`(\w+)`", cell)) or cell.strip()
        for method, path, cell in ROW.findall(SECURITY.read_text())
    }
    held = {
        (o.method, o.path): "public" if o.scopes is None else o.scopes or "any"
        for o in operations()
    }
    assert documented == held


def test_admin_is_named_by_no_endpoint_since_it_may_everything() -> None:
    named = {scope for o in operations() for scope in o.scopes or ()}
    assert "admin" not in named
    assert named <= set(SCOPES)
