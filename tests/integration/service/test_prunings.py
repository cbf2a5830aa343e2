"""Results of pruning jobs: reported once, listed newest first, forgotten."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from fastapi.testclient import TestClient
from tests.harness.published import through

from lpnet import Client
from lpnet.http import Http
from lpnet.schemas.pruning import PruningPage, PruningResult
from lpnet_service.services.reading import prunings

Bench = Any


def result(bench: Bench, number: int = 1, **fields: Any) -> PruningResult:
    usual = {
        "id": f"pruning-{number:024x}",
        "job": f"prune-{0:024x}",
        "round": number,
        "chosen": False,
        "target": bench.target,
        "space": bench.space.hash,
        "method": "wgates",
        "model": "little",
        "data": "digits",
        "seed": 0,
        "budget_ms": 0.5,
        "dense_predicted_ms": 1.0,
        "predicted_ms": 0.5,
        "accuracy_before": 0.9,
        "macs_before": 100,
        "macs_after": 50,
        "params_before": 10,
        "params_after": 5,
        "widths": bench.widths(stem=8),
        "created_at": "2026-01-31T12:00:00Z",
        "lpnet_version": "1",
    }
    return PruningResult.model_validate(usual | fields)


def post(api: TestClient, pruning: PruningResult) -> Any:
    return api.post("/v1/prunings", json=pruning.model_dump(mode="json"))


def test_a_result_is_kept_as_it_was_reported_and_once(bench: Bench, api: TestClient) -> None:
    pruning = result(bench, measured_ms=0.49, accuracy_after=0.88, chosen=True, low_ms=0.4)
    first = post(api, pruning)
    assert first.status_code == 201, first.text
    assert first.headers["location"] == f"/v1/prunings/{pruning.id}"
    again = post(api, pruning.model_copy(update={"seconds": {"tune": 5.0}}))
    assert (again.status_code, again.json()) == (200, first.json())
    stored = api.get(f"/v1/prunings/{pruning.id}").json()
    assert PruningResult.model_validate(stored) == pruning
    assert len(api.get("/v1/prunings").json()["items"]) == 1


def test_an_id_means_one_network(bench: Bench, api: TestClient) -> None:
    assert post(api, result(bench)).status_code == 201
    other = post(api, result(bench, widths=bench.widths(stem=4)))
    assert (other.status_code, other.json()["code"]) == (409, "conflict")


def test_a_result_is_reported_once_by_several_at_once(bench: Bench) -> None:
    outcomes: list[bool] = []

    def report() -> None:
        outcomes.append(prunings.report(bench.ctx, result(bench))[1])

    threads = [threading.Thread(target=report) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == [False, False, False, True]


def test_results_come_in_pages_newest_first(bench: Bench, api: TestClient) -> None:
    for number in range(1, 8):
        assert post(api, result(bench, number, chosen=number % 2 == 0)).status_code == 201
    rounds, after = list[int](), None
    while True:
        params = {"target": bench.target, "limit": 3} | ({"after": after} if after else {})
        page = PruningPage.model_validate(api.get("/v1/prunings", params=params).json())
        rounds += [item.round for item in page.items]
        after = page.next
        if after is None:
            break
    assert rounds == [7, 6, 5, 4, 3, 2, 1]
    chosen = api.get("/v1/prunings", params={"chosen": True, "space": bench.space.hash}).json()
    assert [item["round"] for item in chosen["items"]] == [6, 4, 2]
    assert api.get("/v1/prunings", params={"target": "nobody"}).json()["items"] == []
    assert api.get("/v1/prunings", params={"after": "x"}).status_code == 422


def test_a_result_is_forgotten(bench: Bench, api: TestClient) -> None:
    pruning = result(bench)
    post(api, pruning)
    assert api.delete(f"/v1/prunings/{pruning.id}").status_code == 204
    assert api.get(f"/v1/prunings/{pruning.id}").status_code == 404
    assert api.delete(f"/v1/prunings/{pruning.id}").status_code == 404
    assert api.get("/v1/prunings").json() == {"items": [], "next": None}


@pytest.mark.parametrize(
    ("fields", "status", "field"),
    [
        ({"target": "nobody"}, 404, None),
        ({"space": "0" * 64}, 404, None),
        ({"widths": {"stem": 99, "wide": 1}}, 422, "widths.stem"),
        ({"accuracy_after": 1.5}, 422, "accuracy_after"),
        ({"method": "x" * 201}, 422, "method"),
        ({"id": "mine"}, 422, "id"),
        ({"seconds": {"tune": -1.0}}, 422, "seconds.tune"),
        ({"unknown": 1}, 422, "unknown"),
    ],
)
def test_what_is_no_result_is_refused_with_its_field(
    bench: Bench, api: TestClient, fields: dict[str, Any], status: int, field: str | None
) -> None:
    body = result(bench).model_dump(mode="json") | fields
    answer = api.post("/v1/prunings", json=body)
    assert answer.status_code == status, answer.text
    errors = [error["field"] for error in answer.json()["errors"]]
    assert errors == ([] if field is None else [field])


def test_the_client_reports_and_lists(bench: Bench, api: TestClient) -> None:
    with Client(str(api.base_url)) as client:
        client._http = Http(str(api.base_url), transport=through(api))
        pruning = result(bench)
        assert client.report_pruning(pruning, bench.space) == pruning
        assert list(client.prunings(target=bench.target)) == [pruning]
        assert list(client.prunings(chosen=True)) == []
