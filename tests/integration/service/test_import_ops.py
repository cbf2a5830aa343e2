"""`lpnet import` of samples whose ops are written by hand."""

from __future__ import annotations

import json
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
from lpnet.schemas.workload import OpsWorkload
from lpnet_service.api.app import Application

Bench = Any
CONV = {"type": "conv2d", "c_in": 8, "c_out": 16, "h": 14, "w": 14, "kernel": 3}
RELU = {"type": "activation", "function": "relu", "c_in": 16, "c_out": 16, "h": 14, "w": 14}


@pytest.fixture
def client(lite_bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Client:
    http = TestClient(Application(lite_bench.ctx), raise_server_exceptions=False)
    client = Client(str(http.base_url))
    client._http = Http(str(http.base_url), transport=through(http))

    def connect(url: str | None, token: str | None) -> AbstractContextManager[Client]:
        return nullcontext(client)

    monkeypatch.setattr(transfer, "connect", connect)
    return client


def run(folder: Path, *lists: list[dict[str, Any]], skip_bad: bool = False) -> Result:
    file = folder / "samples.jsonl"
    lines = [json.dumps({"workload": {"ops": ops}, "latency_ms": 1.5}) for ops in lists]
    file.write_text("\n".join(lines))
    options = ["--skip-bad"] if skip_bad else []
    return CliRunner().invoke(app, ["import", str(file), "--target", "phone", *options])


def test_short_forms_are_stored_in_full(client: Client, tmp_path: Path) -> None:
    conv = CONV | {"padding": "same", "bias": True}
    done = run(tmp_path, [conv, RELU])
    assert done.exit_code == 0, done.output
    (sample,) = client.samples(target="phone")
    assert isinstance(sample.workload, OpsWorkload)
    assert getattr(sample.workload.ops[0], "padding", None) == (1, 1)


def test_shapes_that_do_not_follow_are_wrong_lines(client: Client, tmp_path: Path) -> None:
    conv = CONV | {"padding": 0}
    refused = run(tmp_path, [conv | {"padding": "same"}, RELU], [conv, RELU])
    assert refused.exit_code == 1
    reason = "line 2: workload.ops[1] (activation): c_in, h and w must be 16, 12 and 12"
    assert reason in refused.output.replace("\n", " ")
    skipped = run(tmp_path, [conv | {"padding": "same"}, RELU], [conv, RELU], skip_bad=True)
    assert skipped.exit_code == 0, skipped.output
    assert len(list(client.samples(target="phone"))) == 1


def test_a_short_form_that_is_wrong_names_op_and_field(client: Client, tmp_path: Path) -> None:
    refused = run(tmp_path, [CONV | {"kernel": 4, "padding": "same"}])
    assert refused.exit_code == 1
    assert "line 1: workload.ops[0].padding: " in refused.output.replace("\n", " ")
