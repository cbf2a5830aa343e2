"""What the service tells about a space: what it holds, what is frozen, and a diagram."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from xml.etree import ElementTree

import pytest
from fastapi.testclient import TestClient

from lpnet.schemas.space import SpaceSummary
from lpnet.space.compiling import Frozen
from lpnet.space.diagram import DARK, LIGHT
from lpnet.space.space import Space
from lpnet.space.summary import summary
from lpnet_service.api.app import Application
from lpnet_service.services.shared.cache import Cache

Bench = Any
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def http(bench: Bench) -> TestClient:
    return TestClient(Application(bench.ctx), raise_server_exceptions=False)


def stored(http: TestClient, space: Space) -> SpaceSummary:
    answer = http.get(f"/v1/spaces/{space.hash}/summary")
    assert answer.status_code == 200, answer.text
    return SpaceSummary.model_validate(answer.json())


def test_it_is_what_the_client_shows(http: TestClient, bench: Bench) -> None:
    assert stored(http, bench.space) == summary(bench.space)
    (part,) = stored(http, bench.space).frozen
    assert (part.node, part.channels, part.reason) == ("output", 10, "an output of the network")


def test_uploading_again_adds_the_reasons(http: TestClient, bench: Bench) -> None:
    """A space of an older client has none; the name and the batch size stay those stored first."""
    full = bench.space.at(resolution=24)
    old = replace(full, name="old", batch=3, frozen=(), channels=0)
    assert http.post("/v1/spaces", content=old.to_bytes()).status_code == 201
    assert stored(http, full).frozen == ()
    assert stored(http, full).frozen_channels == 10
    first = http.get(f"/v1/spaces/{full.hash}/file")
    # Another process has the space in its memory.
    ctx = replace(bench.ctx, spaces=Cache(10))
    other = TestClient(Application(ctx), raise_server_exceptions=False)
    assert stored(other, full).frozen == ()
    assert http.post("/v1/spaces", content=full.to_bytes()).status_code == 200
    for client in (http, other):
        summary_ = stored(client, full)
        assert summary_.frozen == summary(full).frozen
        assert (summary_.name, summary_.batch) == ("old", 3)
    headers = {"If-None-Match": first.headers["etag"]}
    second = http.get(f"/v1/spaces/{full.hash}/file", headers=headers)
    assert second.status_code == 200, "another file has another tag"
    assert Space.from_bytes(second.content).frozen == full.frozen


def test_reasons_are_stored_once(http: TestClient, bench: Bench) -> None:
    forged = replace(bench.space, frozen=(Frozen("stem", "Conv", "because", 1),))
    assert http.post("/v1/spaces", content=forged.to_bytes()).status_code == 200
    assert stored(http, bench.space) == summary(bench.space)
    assert http.post("/v1/spaces", content=replace(forged, channels=0, frozen=()).to_bytes())
    assert stored(http, bench.space) == summary(bench.space)


@pytest.mark.parametrize(("colours", "expected"), [("light", LIGHT), ("dark", DARK)])
def test_the_diagram_is_an_image_without_styles(
    http: TestClient, bench: Bench, colours: str, expected: Any
) -> None:
    answer = http.get(f"/v1/spaces/{bench.space.hash}/diagram", params={"colours": colours})
    assert answer.headers["content-type"] == "image/svg+xml"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    root = ElementTree.fromstring(answer.content)
    boxes = [rect for rect in root.iter(f"{SVG}rect") if rect.get("class") == "b"]
    assert len(boxes) == len(bench.space.blocks)
    assert {box.get("fill") for box in boxes} == {expected.box}
    assert not list(root.iter(f"{SVG}style"))
    assert not any("style" in element.attrib for element in root.iter())


def test_names_that_are_no_xml_are_drawn(http: TestClient, bench: Bench) -> None:
    name = "\x01\x7f<script>alert(1)</script>&\u2028\uffff"
    named = replace(bench.space.at(resolution=20), name=name)
    assert http.post("/v1/spaces", content=named.to_bytes()).status_code == 201
    answer = http.get(f"/v1/spaces/{named.hash}/diagram")
    root = ElementTree.fromstring(answer.content)
    title = root.findtext(f"{SVG}title")
    assert title is not None
    assert title.startswith("\ufffd\x7f<script>")
    assert stored(http, named).name == name


@pytest.mark.parametrize("part", ["summary", "diagram"])
def test_an_unknown_space_is_not_found(http: TestClient, part: str) -> None:
    answer = http.get(f"/v1/spaces/{'0' * 64}/{part}")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_colours_are_light_or_dark(http: TestClient, bench: Bench) -> None:
    answer = http.get(f"/v1/spaces/{bench.space.hash}/diagram", params={"colours": "pink"})
    assert answer.status_code == 422
