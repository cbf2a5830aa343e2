"""Paths without a page: browsers get a page, programs a problem document."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from lpnet_service.api.app import Application
from lpnet_service.db.migrate import migrate
from lpnet_service.services.shared.context import context
from lpnet_service.settings import Settings

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    path = tmp_path_factory.mktemp("service") / "lpnet.db"
    ctx = context(Settings(database_url=f"sqlite:///{path}"))
    migrate(ctx.db)
    with TestClient(
        Application(ctx), base_url="http://127.0.0.1", client=("127.0.0.1", 50000)
    ) as client:
        yield client
    ctx.db.close()


def test_a_browser_gets_a_page_with_links(client: TestClient) -> None:
    answer = client.get("/nowhere", headers={"Accept": BROWSER})
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "There is no such page" in answer.text
    assert 'href="/devices"' in answer.text


@pytest.mark.parametrize(
    ("path", "accept"),
    [
        ("/nowhere", "application/json"),
        ("/nowhere", "*/*"),
        ("/v1/nowhere", BROWSER),
        ("/v1/targets/nowhere", BROWSER),
    ],
)
def test_programs_and_the_api_get_a_problem(client: TestClient, path: str, accept: str) -> None:
    answer = client.get(path, headers={"Accept": accept})
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == 404


def test_other_answers_of_pages_stay(client: TestClient) -> None:
    answer = client.get("/devices", headers={"Accept": BROWSER})
    assert answer.status_code == 200
    assert "<h1>Devices</h1>" in answer.text
