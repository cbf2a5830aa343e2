"""Two agents with tokens of their own: neither reaches, nor learns of, what is the other's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from fastapi.testclient import TestClient

from lpnet.schemas.campaign import NewCampaign
from lpnet.space.space import Space
from lpnet_service.api.app import Application, operations
from lpnet_service.services.access import tokens
from lpnet_service.services.measuring import campaigns
from lpnet_service.services.shared import spaces as spaces_
from lpnet_service.services.shared.context import Context

Ask = Callable[["Side", "Thing"], Any]


@dataclass(frozen=True)
class Thing:
    """What a device has, or what nobody has."""

    device: str
    target: str
    agent: str
    lease: str
    space: str
    items: tuple[dict[str, Any], ...] = ()

    @property
    def samples(self) -> list[dict[str, Any]]:
        """What its job comes to."""
        fields = ("id", "kind", "workload", "draw")
        return [{name: item[name] for name in fields} | {"latency_ms": 1} for item in self.items]


@dataclass(frozen=True)
class Side:
    """An agent with its token, and all that is its own."""

    http: TestClient
    own: Thing


NOBODYS = Thing(
    "none", "none-cpu", f"agent-{'0' * 24}", f"lease-{'0' * 24}", "0" * 64
)  # fmt: skip


def side(ctx: Context, device: str, space: Space) -> Side:
    secret = tokens.new_secret()
    tokens.create(ctx, tokens.TokenRequest(device, ("agent",), device), secret)
    http = TestClient(Application(ctx), headers={"Authorization": f"Bearer {secret}"})
    target = f"{device}-cpu"
    registered = http.post("/v1/agents", json=registration(device, target))
    assert registered.status_code == 200, registered.text
    agent = registered.json()["agent"]
    spaces_.add(ctx, space.to_bytes())
    new = NewCampaign(target=target, space=space.hash, blocks=2, networks=0, pruned=0, repeats=0)
    campaigns.create(ctx, new)
    lease = http.post(f"/v1/agents/{agent}/leases", json={"targets": [target]}).json()
    items = tuple(lease["items"])
    return Side(http, Thing(device, target, agent, lease["token"], space.hash, items))


def registration(device: str, *targets: str) -> dict[str, Any]:
    listed = [{"name": name} for name in targets]
    return {"device": device, "facts": {}, "targets": listed, "agent_version": "1"}


@pytest.fixture
def sides(closed: Context, space: Space) -> tuple[Side, Side]:
    return side(closed, "desk", space), side(closed, "phone", space.at(resolution=24))


def _samples(with_: Side, thing: Thing, **params: Any) -> Any:
    """Samples of `with_`'s own target, or of the thing's, of the thing's space."""
    of = with_.own if params.pop("own", False) else thing
    workload = {"space": thing.space, "block": "no such block", "widths": {}}
    sample = {"kind": "block", "workload": workload, "latency_ms": 1.0}
    batch = {"target": of.target, "samples": [sample]}
    return with_.http.post("/v1/samples:batch", json=batch, params=params)


def _complete(with_: Side, thing: Thing) -> Any:
    """The own job, with a sample of the thing's space."""
    samples = {"samples": [{"workload": {"space": thing.space, "widths": {}}, "latency_ms": 1.0}]}
    return with_.http.post(f"/v1/leases/{with_.own.lease}/complete", json=samples)


# By endpoint: ways to ask for a thing, each with the status that whoever has no right to it gets.
ASKS: dict[tuple[str, str], list[tuple[int, Ask]]] = {
    ("post", "/v1/agents"): [
        (403, lambda s, t: s.http.post("/v1/agents", json=registration(t.device, t.target))),
        (
            422,
            lambda s, t: s.http.post("/v1/agents", json=registration(s.own.device, t.target)),
        ),
    ],
    ("post", "/v1/agents/{id}/leases"): [
        (
            404,
            lambda s, t: s.http.post(f"/v1/agents/{t.agent}/leases", json={"targets": [t.target]}),
        ),
        (
            422,
            lambda s, t: s.http.post(
                f"/v1/agents/{s.own.agent}/leases", json={"targets": [s.own.target, t.target]}
            ),
        ),
    ],
    ("post", "/v1/agents/{id}/condition"): [
        (
            404,
            lambda s, t: s.http.post(
                f"/v1/agents/{t.agent}/condition", json={"target": t.target, "state": "ready"}
            ),
        ),
        (
            422,
            lambda s, t: s.http.post(
                f"/v1/agents/{s.own.agent}/condition", json={"target": t.target, "state": "ready"}
            ),
        ),
    ],
    ("post", "/v1/leases/{token}/heartbeat"): [
        (409, lambda s, t: s.http.post(f"/v1/leases/{t.lease}/heartbeat", json={}))
    ],
    ("post", "/v1/leases/{token}/complete"): [
        (409, lambda s, t: s.http.post(f"/v1/leases/{t.lease}/complete", json={})),
        (422, _complete),
    ],
    ("post", "/v1/leases/{token}/fail"): [
        (409, lambda s, t: s.http.post(f"/v1/leases/{t.lease}/fail", json={"reason": "no"}))
    ],
    ("get", "/v1/targets/{name}"): [(404, lambda s, t: s.http.get(f"/v1/targets/{t.target}"))],
    ("get", "/v1/spaces/{hash}/file"): [
        (404, lambda s, t: s.http.get(f"/v1/spaces/{t.space}/file")),
        (
            404,
            lambda s, t: s.http.get(
                f"/v1/spaces/{t.space}/file", headers={"If-None-Match": f'"{t.space}"'}
            ),
        ),
    ],
    ("post", "/v1/samples:batch"): [
        (404, lambda s, t: _samples(s, t)),
        (404, lambda s, t: _samples(s, t, create=True)),
        (404, lambda s, t: _samples(s, t, create=True, dry_run=True)),
        (422, lambda s, t: _samples(s, t, own=True)),
        (422, lambda s, t: _samples(s, t, own=True, dry_run=True, again=True)),
    ],
}


def test_every_endpoint_of_agents_is_tried() -> None:
    assert set(ASKS) == {(o.method, o.path) for o in operations() if "agent" in (o.scopes or ())}


def test_what_is_the_others_is_answered_as_what_is_nowhere(sides: tuple[Side, Side]) -> None:
    for mine, other in [sides, sides[::-1]]:
        for endpoint, ways in ASKS.items():
            for number, (status, ask) in enumerate(ways):
                theirs, nowhere = ask(mine, other.own), ask(mine, NOBODYS)
                assert theirs.status_code == status, (endpoint, number, theirs.text)
                assert outcome(theirs, other.own) == outcome(nowhere, NOBODYS), (endpoint, number)


def outcome(answer: Any, thing: Thing) -> tuple[int, str]:
    """An answer without the names that whoever asked gave."""
    text: str = answer.text
    for name in ("target", "device", "agent", "lease", "space"):
        text = text.replace(getattr(thing, name), f"<{name}>")
    return answer.status_code, text


def test_nothing_of_it_has_come_to_anything(sides: tuple[Side, Side], closed: Context) -> None:
    """After all that was tried, each still holds its job, and delivers it."""
    for mine, other in [sides, sides[::-1]]:
        for ways in ASKS.values():
            for _, ask in ways:
                ask(mine, other.own)
    for side in sides:
        own = side.own
        assert side.http.get(f"/v1/targets/{own.target}").json()["samples"] == 0
        assert side.http.get(f"/v1/spaces/{own.space}/file").status_code == 200
        assert side.http.post(f"/v1/leases/{own.lease}/heartbeat", json={}).status_code == 200
        done = side.http.post(f"/v1/leases/{own.lease}/complete", json={"samples": own.samples})
        assert done.json() == {"stored": 2, "known": 0}, done.text
        late = {"target": own.target, "samples": own.samples}
        answer = side.http.post("/v1/samples:batch", json=late, params={"again": True})
        assert answer.json() == {"stored": 0, "known": 2}
        condition = {"target": own.target, "state": "ready"}
        path = f"/v1/agents/{own.agent}/condition"
        assert side.http.post(path, json=condition).status_code == 200
        assert side.http.get("/v1/session").json()["device"] == own.device


def test_admin_may_be_any_agent(closed: Context, sides: tuple[Side, Side]) -> None:
    secret = tokens.new_secret()
    tokens.create(closed, tokens.TokenRequest("root", ("admin",)), secret)
    root = TestClient(Application(closed), headers={"Authorization": f"Bearer {secret}"})
    for side in sides:
        assert root.get(f"/v1/targets/{side.own.target}").status_code == 200
        assert root.post(f"/v1/leases/{side.own.lease}/heartbeat", json={}).status_code == 200
