"""Uploads that somebody made to do harm: a problem document, never a 500."""

from __future__ import annotations

from typing import Any

import onnx
import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from tests.harness.budget import examples

from lpnet.space.space import Space
from lpnet_service.api.app import Application

Bench = Any


@pytest.fixture
def lite_http(lite_bench: Bench) -> TestClient:
    return TestClient(Application(lite_bench.ctx), raise_server_exceptions=False)


@pytest.fixture
def http(bench: Bench) -> TestClient:
    return TestClient(Application(bench.ctx), raise_server_exceptions=False)


@given(
    edits=st.lists(
        st.tuples(st.integers(0, 1 << 20), st.binary(max_size=6), st.integers(0, 32)),
        min_size=1,
        max_size=6,
    )
)
@examples(60, suppress_health_check=list(HealthCheck))
def test_a_mutated_space_is_stored_or_refused(
    lite_http: TestClient, space: Space, edits: list[tuple[int, bytes, int]]
) -> None:
    data = bytearray(space.to_bytes())
    for position, new, cut in edits:
        start = position % (len(data) + 1)
        data[start : start + cut] = new
    answer = lite_http.post("/v1/spaces", content=bytes(data))
    assert answer.status_code in (200, 201, 422), answer.text
    if answer.status_code != 422:
        # What was taken can be read, and predicted for: 409 is that nothing was trained.
        info = answer.json()
        assert lite_http.get(f"/v1/spaces/{info['hash']}/file").status_code == 200
        dense = {width["name"]: width["max"] for width in info["widths"]}
        request = {"target": "desk-cpu", "space": info["hash"], "widths": [dense]}
        assert lite_http.post("/v1/predictions", json=request).status_code == 409


@pytest.mark.parametrize("name", ["a\x00b", "\x00", "\x7f\u2028\U0001f600", ""])
def test_a_name_is_stored_or_refused_on_both_engines(
    http: TestClient, space: Space, name: str
) -> None:
    answer = http.post(
        "/v1/spaces",
        content=Space(name, space.at(resolution=24).template, space.blocks).to_bytes(),
    )
    assert answer.status_code == (422 if "\x00" in name else 201), answer.text


def test_a_space_that_names_a_file_is_refused(lite_http: TestClient, space: Space) -> None:
    model = space.to_onnx()
    tensor = onnx.TensorProto(name="w", data_location=onnx.TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value="/etc/passwd")
    model.graph.initializer.append(tensor)
    answer = lite_http.post("/v1/spaces", content=model.SerializeToString())
    assert (answer.status_code, answer.json()["code"]) == (422, "space_error")
    assert "another file" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"[" * 1_000_000, 422),
        (b"[" * 2_000_001, 413),
        (b'{"a":' * 200_000, 422),
        (b"[" + b"[]," * 1_999_999 + b"0]", 422),
        (b'{"target": "desk-cpu", "samples": ' + b"9" * 1_000_000 + b"}", 422),
        (b'{"target": "desk-cpu", "samples": [1e999]}', 422),
    ],
    ids=["deep", "deeper", "objects", "many", "digits", "infinite"],
)
def test_hostile_json_is_refused(lite_http: TestClient, body: bytes, status: int) -> None:
    headers = {"Content-Type": "application/json"}
    answer = lite_http.post("/v1/samples:batch", content=body, headers=headers)
    assert answer.status_code == status, answer.text[:300]
    assert len(answer.content) < 100_000
