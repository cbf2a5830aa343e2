"""`lpnet import FILE.csv` from the file to the database."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from tests.harness.published import through
from typer.testing import CliRunner, Result

from lpnet import Client
from lpnet.cli import transfer
from lpnet.cli.main import app
from lpnet.http import Http
from lpnet_service.api.app import Application

Bench = Any
HEADER = "cin,c_out,h,w,kernel,time"
MAP = ("--column", "c_in=cin", "--column", "latency_ms=time")


@pytest.fixture
def client(lite_bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Client:
    http = TestClient(Application(lite_bench.ctx), raise_server_exceptions=False)
    client = Client(str(http.base_url))
    client._http = Http(str(http.base_url), transport=through(http))

    def connect(url: str | None, token: str | None) -> AbstractContextManager[Client]:
        return nullcontext(client)

    monkeypatch.setattr(transfer, "connect", connect)
    return client


def run(folder: Path, rows: list[str], *options: str, header: str = HEADER) -> Result:
    file = folder / "table.csv"
    file.write_text("\n".join([header, *rows]))
    return CliRunner().invoke(app, ["import", str(file), "--target", "phone", *options])


def test_a_table_is_imported_once_and_seconds_are_noticed(client: Client, tmp_path: Path) -> None:
    rows = ["3,16,32,32,3,2.5", "16,16,32,32,3,1.5"]
    done = run(tmp_path, rows, *MAP)
    assert done.exit_code == 0, done.output
    assert "2 samples stored, 0 already stored, 0 skipped" in done.output
    assert sorted(sample.latency_ms for sample in client.samples(target="phone")) == [1.5, 2.5]
    assert "0 samples stored, 2 already stored" in run(tmp_path, rows, *MAP).output
    seconds = ["3,16,32,32,3,0.0026", "16,16,32,32,3,0.0016"]
    refused = run(tmp_path, seconds, *MAP)
    assert refused.exit_code == 1
    assert "latencies seem not to be in milliseconds" in refused.output
    done = run(tmp_path, seconds, *MAP, "--unit", "s")
    assert "2 samples stored" in done.output
    assert max(sample.latency_ms for sample in client.samples(target="phone")) == 2.6


def test_wrong_rows_and_unused_columns_are_named(client: Client, tmp_path: Path) -> None:
    rows = ["3,16,32,32,3,2.5,x", "3,no,32,32,3,2.5,x"]
    refused = run(tmp_path, rows, *MAP, header=HEADER + ",note")
    assert refused.exit_code == 1
    output = " ".join(refused.output.split())
    assert "columns that are not used: note" in output
    assert "line 3: c_out: 'no' is not a whole number" in output
    assert "1 of 2 lines are wrong; nothing was imported" in output


def test_options_of_tables_are_refused_for_lines(client: Client, tmp_path: Path) -> None:
    file = tmp_path / "samples.jsonl"
    file.write_text("{}")
    done = CliRunner().invoke(app, ["import", str(file), "--target", "phone", *MAP])
    assert done.exit_code == 1
    assert "are for files named .csv or .tsv" in done.output
