"""Rows per second through POST /v1/samples:batch into SQLite, compared with plain sqlite3.

    python -m benchmarks.ingest [--rows 50000] [--batch 2000]

The reference writes the same JSON bodies into one SQLite table with one executemany per batch;
lpnet adds parsing and validation. Both run several times, in turn.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import statistics
import tempfile
import time
import uuid
from pathlib import Path

from lpnet.http import Http
from lpnet_demo.processes import LocalLoop

ROUNDS = 5


def bodies(rows: int, batch: int, target: str) -> list[bytes]:
    """Request bodies with new sample ids, prepared before timing."""
    op = {"type": "conv2d", "h": 56, "w": 56, "kernel": [3, 3], "padding": [1, 1]}
    batches = []
    for start in range(0, rows, batch):
        samples = [
            {
                "kind": "block",
                "workload": {"batch": 1, "ops": [{**op, "c_in": 1 + i % 512, "c_out": 64}]},
                "latency_ms": 1.0 + i / 1e6,
                "std_ms": 0.01,
                "count": 50,
                "id": uuid.uuid4().hex,
            }
            for i in range(start, min(rows, start + batch))
        ]
        batches.append(json.dumps({"target": target, "samples": samples}).encode())
    return batches


def through_http(http: Http, batches: list[bytes]) -> float:
    started = time.perf_counter()
    for body in batches:
        http.post_bytes(
            "/v1/samples:batch", body, content_type="application/json", params={"create": True}
        )
    return time.perf_counter() - started


def through_sqlite(path: Path, batches: list[bytes]) -> float:
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute(
        "CREATE TABLE IF NOT EXISTS samples (id TEXT PRIMARY KEY, workload TEXT, latency_ms REAL)"
    )
    started = time.perf_counter()
    for body in batches:
        rows = [
            (s["id"], json.dumps(s["workload"]), s["latency_ms"])
            for s in json.loads(body)["samples"]
        ]
        with connection:
            connection.executemany("INSERT INTO samples VALUES (?, ?, ?)", rows)
    seconds = time.perf_counter() - started
    connection.close()
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--batch", type=int, default=2_000)
    options = parser.parse_args()
    ours, bare = [], []
    with (
        tempfile.TemporaryDirectory() as folder,
        LocalLoop(Path(folder), agent=False) as loop,
        Http(loop.url) as http,
    ):
        for _ in range(ROUNDS):
            batches = bodies(options.rows, options.batch, "benchmark")
            ours.append(options.rows / through_http(http, batches))
            bare.append(options.rows / through_sqlite(Path(folder) / "bare.db", batches))
    ratio = statistics.median(a / b for a, b in zip(ours, bare, strict=True))
    print(f"rows {options.rows}, batches of {options.batch}, median of {ROUNDS} rounds")
    print(f"  POST /v1/samples:batch  {statistics.median(ours):>9,.0f} rows/s")
    print(f"  plain sqlite3           {statistics.median(bare):>9,.0f} rows/s")
    print(f"  ratio                   {ratio:>9.3f}")


if __name__ == "__main__":
    main()
