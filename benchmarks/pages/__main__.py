"""The server's time for the requests of the pages, with 1,000,000 samples of 200 targets, on
SQLite and Postgres.

    python -m benchmarks.pages [--samples N] [--targets N] [--database URL ...]

Without `--database`, a database of each engine is created and filled, which takes minutes. A
database named by `--database` is filled if it is empty, and kept. Every request runs through the
whole application in this process. Its time is the median of several, after a first one that is
shown by itself.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from typing import Any

from fastapi.testclient import TestClient

from benchmarks.pages.databases import filled
from benchmarks.pages.filling import LARGE
from lpnet.logs.setup import configure
from lpnet_service import gc_freeze
from lpnet_service.api.app import Application
from lpnet_service.services.shared.context import context
from lpnet_service.settings import Settings

ROUNDS = 7
LIMIT_MS = 200
# A label, a path and its parameters.
PageRequest = tuple[str, str, dict[str, Any]]


def requests(http: TestClient) -> Iterator[PageRequest]:
    large, other = LARGE
    table = f"/v1/targets/{large}/table"
    facets = http.get(f"/v1/targets/{large}/facets").json()
    block = facets["blocks"][-1]["block"]
    row = http.get(table, params={"limit": 1}).json()["items"][0]["id"]
    yield "targets, all", "/v1/targets", {}
    yield "one target", f"/v1/targets/{large}", {}
    yield "facets", f"/v1/targets/{large}/facets", {}
    filters: dict[str, dict[str, Any]] = {
        "no filter": {},
        "kind": {"kind": "block"},
        "networks, undisturbed": {"kind": "network", "disturbed": False},
        "block": {"block": block},
        "latency, few": {"min_ms": 1.5, "max_ms": 1.5001},
        "latency, many": {"min_ms": 0.5},
        "held out": {"held_out": True},
        "held out blocks": {"held_out": True, "kind": "block"},
        "search": {"search": f"resnet50 {block[:4]}"},
        "search an id": {"search": row},
    }
    for sort in ("measured_at", "-latency_ms"):
        for name, values in filters.items():
            yield f"table by {sort}, {name}", table, {"sort": sort, **values}
    deep: dict[str, Any] = {"sort": "latency_ms", "limit": 500}
    for _ in range(20):
        deep["after"] = http.get(table, params=deep).json()["next"]
    yield "table, page 21 of 500", table, deep
    small = "/v1/targets/board-000/table"
    yield "table of a small target", small, {"sort": "-latency_ms", "kind": "block"}
    two = {"target": [large, other]}
    yield "compare the large two", "/v1/compare", two
    yield "compare the large two, summary", "/v1/compare/summary", two
    six = {"target": [large, other, "board-000", "board-001", "board-002", "board-003"]}
    yield "compare six", "/v1/compare", six
    small_two = {"target": ["board-000", "board-001"]}
    yield "compare two small", "/v1/compare", {**small_two, "sort": "-latency_ms"}
    for name in ("board-000", large):
        lpnet = http.get(f"/v1/targets/{name}").json()["lpnet"]
        yield f"residuals of {name}", f"/v1/lpnets/{lpnet}/residuals", {}
    yield "campaigns, 200", "/v1/campaigns", {"limit": 200}


def measure(url: str) -> None:
    """Print the time of each request, how many are above the limit, and the slowest."""
    configure("console", "error")
    ctx = context(Settings(database_url=url))
    engine = ctx.db.url.get_backend_name()
    medians: dict[str, float] = {}
    print(f"{engine}: server's time, ms")
    print(f"  {'':45} {'first':>8} {'median':>8}")
    with TestClient(Application(ctx)) as http:
        gc_freeze.freeze_loaded_objects()
        for name, path, params in requests(http):
            times = []
            for _ in range(1 + ROUNDS):
                started = time.perf_counter()
                answer = http.get(path, params=params)
                times.append(1000 * (time.perf_counter() - started))
                assert answer.status_code == 200, answer.text
            medians[name] = median = statistics.median(times[1:])
            note = f"  above {LIMIT_MS}" if median > LIMIT_MS else ""
            print(f"  {name:45} {times[0]:>8.1f} {median:>8.1f}{note}", flush=True)
    ctx.db.close()
    above = sum(median > LIMIT_MS for median in medians.values())
    slowest = max(medians, key=lambda name: medians[name])
    print(
        f"{engine}: {above} of {len(medians)} above {LIMIT_MS} ms; "
        f"the slowest is {slowest!r}, {medians[slowest]:.1f} ms"
    )


def main() -> None:
    with filled(__doc__) as urls:
        for url in urls:
            measure(url)


if __name__ == "__main__":
    main()
