"""Tokens: who is let in, how far, how fast; sessions of browsers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

from lpnet.schemas.token import SCOPES, Scope, Token
from lpnet_service.api.app import Application, operations
from lpnet_service.db.rows import SessionRow, TokenRow
from lpnet_service.errors import SetupError
from lpnet_service.services.access import admission, tokens
from lpnet_service.services.shared.context import Context

NONE = "0" * 24
LOCKED = {"name": "desk-cpu", "id": f"agent-{NONE}", "token": f"lease-{NONE}", "hash": "0" * 64}
Clock = Any
Make = Callable[..., str]


@pytest.fixture
def http(closed: Context) -> Iterator[TestClient]:
    with TestClient(Application(closed), raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def make(closed: Context) -> Make:
    """Makes a token; returns its secret."""

    def make_(*scopes: Scope, **request: Any) -> str:
        secret = tokens.new_secret()
        tokens.create(
            closed, tokens.TokenRequest(f"t-{secret[-8:].strip('-_')}", scopes, **request), secret
        )
        return secret

    return make_


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


def problem(answer: Any, status: int, code: str) -> dict[str, Any]:
    assert (answer.status_code, answer.headers["content-type"]) == (
        status,
        "application/problem+json",
    ), answer.text
    body: dict[str, Any] = answer.json()
    assert body["code"] == code
    return body


def call(http: TestClient, method: str, path: str, **options: Any) -> Any:
    return http.request(method, path.format(**LOCKED), **options)


def test_every_guarded_endpoint_wants_a_token(http: TestClient, make: Make) -> None:
    for operation in operations():
        answers = [
            call(http, operation.method, operation.path),
            call(
                http, operation.method, operation.path, headers={"Authorization": "Basic bWU6bWU="}
            ),
            call(http, operation.method, operation.path, headers=bearer("lpnet_unknown")),
        ]
        if operation.scopes is None:
            assert 401 not in {answer.status_code for answer in answers}
            continue
        for answer in answers:
            problem(answer, 401, "unauthenticated")
            assert answer.headers["www-authenticate"] == "Bearer"


def test_every_scope_opens_its_endpoints_and_no_other(http: TestClient, make: Make) -> None:
    secrets = {scope: make(scope, device="desk" if scope == "agent" else None) for scope in SCOPES}
    for operation in operations():
        for scope, secret in secrets.items():
            answer = call(http, operation.method, operation.path, headers=bearer(secret))
            allowed = (
                operation.scopes in (None, ())
                or scope == "admin"
                or scope in (operation.scopes or ())
            )
            assert (answer.status_code == 403) == (not allowed), (operation, scope, answer.text)
            if not allowed:
                detail = problem(answer, 403, "forbidden")["detail"]
                assert " or ".join(operation.scopes or ()) in detail


def test_an_unknown_sender_is_refused_before_its_body_is_read(http: TestClient) -> None:
    read = 0

    def pieces() -> Iterator[bytes]:
        nonlocal read
        for _ in range(64):
            read += 1
            yield b" " * (1 << 20)

    problem(http.post("/v1/samples:batch", content=pieces()), 401, "unauthenticated")
    problem(http.post("/v1/session", content=b" " * ((1 << 20) + 1)), 413, "too_large")


def test_a_token_ends_when_it_expires_or_is_revoked(
    http: TestClient, make: Make, closed: Context, clock: Clock
) -> None:
    brief, other = make("predict", lifetime=timedelta(hours=1)), make("predict")
    assert http.get("/v1/targets", headers=bearer(brief)).status_code == 200
    clock.advance(3600)
    assert (
        "expired"
        in problem(http.get("/v1/targets", headers=bearer(brief)), 401, "unauthenticated")[
            "detail"
        ]
    )
    assert http.get("/v1/targets", headers=bearer(other)).status_code == 200
    (token_,) = (token for token in tokens.list_tokens(closed) if token.expires_at is None)
    assert [token.id for token in tokens.revoke(closed, token_.id)] == [token_.id]
    assert (
        "revoked"
        in problem(http.get("/v1/targets", headers=bearer(other)), 401, "unauthenticated")[
            "detail"
        ]
    )
    with pytest.raises(SetupError, match="no token"):
        tokens.revoke(closed, token_.id)


def test_the_secret_is_not_kept_and_the_last_use_is_to_a_minute(
    http: TestClient, make: Make, closed: Context, clock: Clock
) -> None:
    secret = make("predict")

    def row() -> TokenRow:
        with closed.db.read() as session:
            return session.scalars(select(TokenRow)).one()

    assert row().last_used_at is None
    assert secret not in {getattr(row(), column.name) for column in TokenRow.__table__.columns}
    assert len(secret) >= len("lpnet_") + 43
    first = clock.now()
    http.get("/v1/targets", headers=bearer(secret))
    clock.advance(59)
    http.get("/v1/targets", headers=bearer(secret))
    assert row().last_used_at == first
    clock.advance(1)
    http.get("/v1/targets", headers=bearer(secret))
    assert row().last_used_at == clock.now()
    listed = tokens.list_tokens(closed)[0].model_dump_json()
    assert secret not in listed
    assert row().sha256 not in listed


def test_a_token_that_sends_too_much_is_told_when_to_come_back(
    http: TestClient, make: Make, clock: Clock
) -> None:
    slow, other = make("predict", requests_per_s=0.25), make("predict")
    assert http.get("/v1/targets", headers=bearer(slow)).status_code == 200
    answer = http.get("/v1/targets", headers=bearer(slow))
    assert "0.25 requests a second" in problem(answer, 429, "too_many_requests")["detail"]
    assert answer.headers["retry-after"] == "4"
    assert http.get("/v1/targets", headers=bearer(other)).status_code == 200
    clock.advance(4)
    assert http.get("/v1/targets", headers=bearer(slow)).status_code == 200


def test_a_token_has_a_largest_body_of_its_own(http: TestClient, make: Make) -> None:
    small, usual = make("train", max_body_mib=1), make("train")
    body = b"x" * ((1 << 20) + 1)
    problem(http.post("/v1/spaces", content=body, headers=bearer(small)), 413, "too_large")
    problem(http.post("/v1/spaces", content=body, headers=bearer(usual)), 422, "space_error")


def test_a_session_of_a_browser(
    http: TestClient, make: Make, closed: Context, clock: Clock
) -> None:
    problem(http.post("/v1/session", json={"token": "lpnet_unknown"}), 401, "unauthenticated")
    opened = http.post("/v1/session", json={"token": make("train", "predict")})
    assert opened.status_code == 201
    cookie = opened.headers["set-cookie"]
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= set(cookie.split("; "))
    assert "Secure" not in cookie
    who = http.get("/v1/session").json()
    assert who == opened.json()
    assert (set(who["scopes"]), who["open"], who["device"]) == ({"train", "predict"}, False, None)
    with closed.db.read() as session:
        assert session.scalars(select(SessionRow)).one().sha256 not in cookie
    path = f"/v1/campaigns/campaign-{NONE}/cancel"
    problem(http.post(path), 403, "forbidden")
    problem(http.post(path, headers={"X-CSRF-Token": "0" * 64}), 403, "forbidden")
    problem(http.post(path, headers={"X-CSRF-Token": who["csrf"]}), 404, "not_found")
    problem(http.delete("/v1/session"), 403, "forbidden")
    kept = http.cookies["lpnet_session"]
    proof = {"X-CSRF-Token": who["csrf"]}
    assert http.delete("/v1/session", headers=proof).status_code == 204
    http.cookies.set("lpnet_session", kept)
    problem(http.get("/v1/session"), 401, "unauthenticated")


def test_an_unknown_token_waits_for_no_writer(http: TestClient, closed: Context) -> None:
    """On SQLite there is one writer at a time, and whoever has no token must not become it."""
    with closed.db.write():
        problem(http.post("/v1/session", json={"token": "lpnet_unknown"}), 401, "unauthenticated")


def test_a_session_ends_with_its_time_and_with_its_token(
    http: TestClient, make: Make, closed: Context, clock: Clock
) -> None:
    secret = make("predict", lifetime=timedelta(hours=20))
    for pause_h, ends in [(0, 12.0), (12, 8.0)]:
        clock.advance(3600 * pause_h)
        problem(http.get("/v1/session"), 401, "unauthenticated")
        opened = http.post("/v1/session", json={"token": secret})
        assert f"Max-Age={ends * 3600:.0f}" in opened.headers["set-cookie"]
        assert http.get("/v1/targets").status_code == 200
    with closed.db.read() as session:
        assert len(session.scalars(select(SessionRow)).all()) == 1
    tokens.revoke(closed, tokens.list_tokens(closed)[0].name)
    problem(http.get("/v1/targets"), 401, "unauthenticated")


def test_cookies_are_for_https_where_that_is_used_or_configured(
    closed: Context, make: Make
) -> None:
    login = {"token": make("predict")}
    secure = closed.settings.model_copy(update={"secure_cookies": True})
    behind = TestClient(Application(replace(closed, settings=secure)))
    assert "Secure" in behind.post("/v1/session", json=login).headers["set-cookie"]
    https = TestClient(Application(closed), base_url="https://lpnet.test")
    assert "Secure" in https.post("/v1/session", json=login).headers["set-cookie"]


def test_a_token_is_made_once_of_a_secret(closed: Context, clock: Clock) -> None:
    request, secret = tokens.TokenRequest("ci", ("train", "predict")), "s" * 40
    first, new = tokens.create(closed, request, secret)
    again, not_new = tokens.create(closed, replace(request, scopes=("predict", "train")), secret)
    assert (first, new, not_new) == (again, True, False)
    for other, message in [
        (replace(request, scopes=("admin",)), "with scopes 'predict train'"),
        (replace(request, name="another"), "token 'ci'"),
    ]:
        with pytest.raises(SetupError, match=message):
            tokens.create(closed, other, secret)
    with pytest.raises(SetupError, match="another secret"):
        tokens.create(closed, request, "t" * 40)
    tokens.revoke(closed, "ci")
    with pytest.raises(SetupError, match="was revoked"):
        tokens.create(closed, request, secret)
    assert tokens.create(closed, request, "t" * 40)[1]


@pytest.mark.parametrize(
    ("token_request", "message"),
    [
        (tokens.TokenRequest("a", ()), "--scope"),
        (tokens.TokenRequest("a", ("agent",)), "--device"),
        (tokens.TokenRequest("a", ("predict",), device="desk"), "--device"),
        (tokens.TokenRequest("a", ("agent", "predict"), device="desk"), "cannot be combined"),
    ],
)
def test_a_token_that_contradicts_itself_is_not_made(
    closed: Context, token_request: tokens.TokenRequest, message: str
) -> None:
    with pytest.raises(SetupError, match=message):
        tokens.create(closed, token_request, tokens.new_secret())


def test_a_service_that_others_reach_needs_a_token_that_is_good(
    ctx: Context, clock: Clock
) -> None:
    assert admission.check(ctx, "127.0.0.1") == admission.OPEN
    assert admission.check(ctx, "::1") == admission.OPEN
    required = replace(
        ctx, settings=admission.effective_settings(ctx.settings, ["127.0.0.1", "10.0.0.1"])
    )
    for service, host in [(ctx, "0.0.0.0"), (ctx, "example.org"), (required, "127.0.0.1")]:
        with pytest.raises(SetupError, match="lpnet-service token create"):
            admission.check(service, host)
    request = tokens.TokenRequest("me", ("admin",), lifetime=timedelta(hours=1))
    token: Token = tokens.create(ctx, request, tokens.new_secret())[0]
    assert admission.check(ctx, "0.0.0.0") == admission.CLOSED
    clock.advance(3600)
    with pytest.raises(SetupError):
        admission.check(ctx, "0.0.0.0")
    tokens.create(ctx, replace(request, name="you"), tokens.new_secret())
    assert admission.check(required, "127.0.0.1") == admission.CLOSED
    tokens.revoke(ctx, "you")
    tokens.revoke(ctx, token.id)
    with pytest.raises(SetupError):
        admission.check(ctx, "0.0.0.0")


def test_an_open_service_says_so_and_takes_any_token(api: TestClient) -> None:
    who = api.get("/v1/session", headers=bearer("lpnet_of_another_service")).json()
    assert (who["open"], who["scopes"], who["csrf"]) == (True, ["admin"], None)


CHANGE = ("POST", "/v1/campaigns:estimate")
LOOK = ("GET", "/v1/targets")
OPEN_ONLY = [
    (LOOK, {"Host": "evil.example"}),
    (LOOK, {"Host": "evil.example:8000"}),
    (LOOK, {"Host": "127.0.0.1.evil.example"}),
    (LOOK, {"Host": "10.0.0.7:8000"}),
    (LOOK, {"Host": "[::"}),
    (LOOK, {"X-Forwarded-For": "127.0.0.1"}),
    (LOOK, {"Forwarded": "for=127.0.0.1"}),
    (LOOK, {"Via": "1.1 proxy"}),
]
ALWAYS = [
    (CHANGE, {"Sec-Fetch-Site": "cross-site"}),
    (CHANGE, {"Sec-Fetch-Site": "same-site"}),
    (CHANGE, {"Origin": "https://evil.example"}),
    (CHANGE, {"Origin": "null"}),
    (CHANGE, {"Origin": "http://testserver:9"}),
]


@pytest.mark.parametrize(("endpoint", "headers"), OPEN_ONLY + ALWAYS)
def test_a_page_of_another_site_reaches_no_open_service(
    api: TestClient, endpoint: tuple[str, str], headers: dict[str, str]
) -> None:
    problem(api.request(*endpoint, headers=headers), 403, "forbidden")


@pytest.mark.parametrize(("endpoint", "headers"), ALWAYS)
def test_a_page_of_another_site_changes_nothing_where_tokens_are_asked_for(
    http: TestClient, make: Make, endpoint: tuple[str, str], headers: dict[str, str]
) -> None:
    answer = http.request(*endpoint, headers=headers | bearer(make("admin")))
    problem(answer, 403, "forbidden")


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "localhost:8000"},
        {"Host": "127.0.0.1:8000", "Origin": "http://127.0.0.1:8000"},
        {"Host": "[::1]:8000", "Sec-Fetch-Site": "same-origin", "Origin": "https://proxied"},
        {"Sec-Fetch-Site": "none"},
    ],
)
def test_programs_and_own_pages_reach_an_open_service(
    api: TestClient, headers: dict[str, str]
) -> None:
    answer = api.request(*LOOK, headers=headers)
    assert answer.status_code == 200
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    assert api.request(*CHANGE, headers=headers).status_code == 422


def test_an_open_service_that_listens_too_far_answers_this_machine_alone(ctx: Context) -> None:
    """Should a process ever bind another address without knowing."""
    far = TestClient(Application(ctx), client=("10.0.0.7", 1234))
    problem(far.get("/v1/targets"), 403, "forbidden")
    near = TestClient(Application(ctx), client=("127.0.0.1", 1234))
    assert near.get("/v1/targets").status_code == 200
