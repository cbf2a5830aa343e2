"""lpnet.http against a real server on loopback, and against transports that misbehave on cue."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
import stamina

from lpnet.errors import (
    LEGACY_CODES,
    ApiError,
    BadRequest,
    Conflict,
    DiskFull,
    Forbidden,
    LeaseLost,
    LpnetError,
    NotFound,
    ServerFault,
    ServerUnreachable,
    SpaceError,
    TooManyRequests,
    Unauthenticated,
    WidthsError,
    problem_code,
)
from lpnet.http import Http
from lpnet.schemas.campaign import Heartbeat

Handler = Callable[[httpx.Request], httpx.Response]


@pytest.fixture(autouse=True)
def _no_waiting() -> Iterator[None]:
    with stamina.set_testing(True, attempts=3, cap=True):
        yield


def http(handler: Handler, **options: object) -> Http:
    return Http("http://lpnet.test", transport=httpx.MockTransport(handler), **options)  # type: ignore[arg-type]


class Flaky:
    """Answers with each of `answers` in turn; an exception is raised instead."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.answers = list(answers)
        self.seen: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.seen.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def test_json_goes_out_and_comes_back() -> None:
    flaky = Flaky(httpx.Response(200, json={"ok": [1, 2]}), httpx.Response(204))
    with http(flaky, token="secret") as server:
        assert server.post("/v1/things", Heartbeat(measured=3)) == {"ok": [1, 2]}
        assert server.post("/v1/things", {"a": 1}, params={"x": None, "y": 2}) is None
    first, second = flaky.seen
    assert json.loads(first.content) == {"measured": 3}
    assert first.headers["content-type"] == "application/json"
    assert first.headers["authorization"] == "Bearer secret"
    assert str(second.url) == "http://lpnet.test/v1/things?y=2"


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "bad_request", BadRequest),
        (401, "no_token", Unauthenticated),
        (403, "no_token", Forbidden),
        (404, "not_found", NotFound),
        (409, "exists", Conflict),
        (409, "lease_lost", LeaseLost),
        (422, "bad_request", BadRequest),
        (501, "not_implemented", ServerFault),
    ],
)
def test_a_problem_becomes_its_error(status: int, code: str, kind: type[ApiError]) -> None:
    problem = {
        "status": status,
        "code": code,
        "detail": "samples are wrong",
        "errors": [{"field": "samples.3.latency_ms", "reason": "must be above 0"}],
    }
    flaky = Flaky(httpx.Response(status, json=problem))
    with pytest.raises(kind, match=r"samples\.3\.latency_ms: must be above 0") as caught:
        http(flaky).get("/v1/samples")
    assert type(caught.value) is kind
    assert (caught.value.status, caught.value.code) == (status, code)
    assert len(flaky.seen) == 1


@pytest.mark.parametrize(
    ("legacy", "status", "kind"),
    [
        ("fault", 500, ServerFault),
        ("invalid", 422, BadRequest),
        ("invalid_space", 422, SpaceError),
        ("invalid_widths", 422, WidthsError),
        ("no_room", 507, DiskFull),
    ],
)
def test_a_code_of_an_older_service_becomes_the_same_error(
    legacy: str, status: int, kind: type[LpnetError]
) -> None:
    assert legacy in LEGACY_CODES
    flaky = Flaky(httpx.Response(status, json={"code": legacy, "detail": "no"}))
    with pytest.raises(ApiError) as caught:
        http(flaky, attempts=1).get("/v1/samples")
    assert isinstance(caught.value, kind)
    assert caught.value.code == problem_code(kind)


def test_an_error_that_is_no_problem_document_still_says_what_happened() -> None:
    flaky = Flaky(httpx.Response(404, text="<html>nginx</html>"))
    with pytest.raises(NotFound, match=r"http://lpnet.test/v1/x.*http_404"):
        http(flaky).get("/v1/x")


@pytest.mark.parametrize(
    "answer", [httpx.Response(404, json={"detail": "Not Found"}), httpx.Response(404, text="no")]
)
def test_a_path_that_a_server_does_not_have_questions_its_address(answer: httpx.Response) -> None:
    with pytest.raises(NotFound, match=r"http://lpnet.test/v1/x is not found: .* without a path"):
        http(Flaky(answer)).get("/v1/x")


def test_a_server_may_be_under_a_prefix() -> None:
    paths = []

    def answer(request: httpx.Request) -> httpx.Response:
        paths.append(request.url.path)
        return httpx.Response(200, json={})

    Http("http://lab/lpnet/", transport=httpx.MockTransport(answer)).get("/v1/targets")
    assert paths == ["/lpnet/v1/targets"]


def test_a_page_that_is_not_json_is_refused() -> None:
    with pytest.raises(ApiError, match="is it an lpnet server"):
        http(Flaky(httpx.Response(200, text="<html>"))).get("/v1/x")


def test_a_redirect_is_not_followed_with_the_token() -> None:
    flaky = Flaky(httpx.Response(302, headers={"location": "http://elsewhere.test/"}))
    with pytest.raises(ApiError):
        http(flaky, token="secret").get("/v1/x")
    assert len(flaky.seen) == 1


@pytest.mark.parametrize("passing", [httpx.Response(503), httpx.ReadError("cut")])
def test_an_idempotent_request_is_tried_again(passing: httpx.Response | Exception) -> None:
    flaky = Flaky(passing, httpx.Response(200, json=1))
    assert http(flaky).get("/v1/x") == 1
    assert len(flaky.seen) == 2


@pytest.mark.parametrize("passing", [httpx.Response(503), httpx.ReadError("cut")])
def test_a_post_is_tried_again_only_if_the_caller_allows_it(
    passing: httpx.Response | Exception,
) -> None:
    flaky = Flaky(passing, httpx.Response(200, json=1))
    with pytest.raises((ServerFault, ServerUnreachable)):
        http(flaky).post("/v1/x", {})
    assert len(flaky.seen) == 1
    flaky = Flaky(passing, httpx.Response(200, json=1))
    assert http(flaky).post("/v1/x", {}, idempotent=True) == 1


def test_a_request_that_was_never_sent_is_tried_again_whatever_it_is() -> None:
    flaky = Flaky(httpx.ConnectError("refused"), httpx.Response(200, json=1))
    assert http(flaky).post("/v1/x", {}) == 1


def test_trying_again_is_bounded() -> None:
    flaky = Flaky(*[httpx.Response(503) for _ in range(9)])
    with pytest.raises(ServerFault):
        http(flaky, attempts=2).get("/v1/x")
    assert len(flaky.seen) == 2


def test_bytes_carry_their_entity_tag() -> None:
    flaky = Flaky(
        httpx.Response(200, content=b"\x00\xff", headers={"etag": '"a"'}), httpx.Response(304)
    )
    server = http(flaky)
    fetched = server.get_bytes("/v1/spaces/x/file")
    assert fetched is not None
    assert (fetched.content, fetched.etag) == (b"\x00\xff", '"a"')
    assert server.get_bytes("/v1/spaces/x/file", etag=fetched.etag) is None
    assert flaky.seen[1].headers["if-none-match"] == '"a"'


def test_bytes_are_posted_as_they_are() -> None:
    flaky = Flaky(httpx.Response(201, json={"hash": "h"}))
    assert http(flaky).post_bytes("/v1/spaces", b"\x00\x01") == {"hash": "h"}
    assert flaky.seen[0].content == b"\x00\x01"
    assert flaky.seen[0].headers["content-type"] == "application/octet-stream"


def test_a_refused_connection_names_the_server() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # bound but not listening: connections are refused
        port = held.getsockname()[1]
        with (
            pytest.raises(ServerUnreachable, match=rf"127.0.0.1:{port}.*Is the server running"),
            Http(f"http://127.0.0.1:{port}") as server,
        ):
            server.get("/healthz")


@pytest.mark.parametrize(
    "url",
    [
        "127.0.0.1:8000",
        "localhost:8000",
        "ftp://x",
        "http://",
        "http://host:port",
        "http://h:0",
        "",
    ],
)
def test_what_is_not_a_url_is_said_before_anything_is_asked(url: str) -> None:
    with pytest.raises(ServerUnreachable, match="not the URL of a server"):
        Http(url)


@pytest.fixture
def loopback() -> Iterator[str]:
    """A server whose /cut stops in the middle of what it promised, and whose /hang is silent."""
    done = threading.Event()

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/missing":
                self.send_error(404)
                return
            if self.path == "/hang":
                done.wait(30)
                return
            self.send_response(200)
            self.send_header("Content-Length", "300000")
            self.end_headers()
            self.wfile.write(b"x" * (1000 if self.path == "/cut" else 300_000))

        def log_message(self, format: str, *args: object) -> None:
            """Quiet: what is served here is no news."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    done.set()
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_download_comes_in_pieces(loopback: str) -> None:
    with Http(loopback) as server, server.stream("/whole") as pieces:
        sizes = [len(piece) for piece in pieces]
    assert sum(sizes) == 300_000
    assert len(sizes) > 1


def test_a_cut_download_is_an_error_and_not_a_short_file(loopback: str) -> None:
    with (
        Http(loopback) as server,
        pytest.raises(ServerUnreachable, match="broke"),
        server.stream("/cut") as pieces,
    ):
        b"".join(pieces)


def test_a_download_of_nothing_is_not_found(loopback: str) -> None:
    with (
        Http(loopback) as server,
        pytest.raises(NotFound),
        server.stream("/missing") as pieces,
    ):
        b"".join(pieces)


def test_a_silent_server_is_given_up(loopback: str) -> None:
    with Http(loopback, timeout=0.2, attempts=1) as server, pytest.raises(ServerUnreachable):
        server.get("/hang")


def test_a_proxy_of_the_environment_is_not_asked_for_loopback(
    loopback: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with Http(loopback) as server, server.stream("/whole") as pieces:
        assert sum(len(piece) for piece in pieces) == 300_000


def told_to_wait(status: int, seconds: str) -> httpx.Response:
    return httpx.Response(status, headers={"Retry-After": seconds}, json={"code": "later"})


@pytest.mark.parametrize("status", [429, 503])
def test_a_server_that_asks_for_a_pause_gets_it(status: int) -> None:
    pauses: list[float] = []

    def hook(details: stamina.instrumentation.RetryDetails) -> None:
        pauses.append(details.wait_for)

    before = stamina.instrumentation.get_on_retry_hooks()
    stamina.instrumentation.set_on_retry_hooks([hook])
    try:
        with stamina.set_testing(False):
            flaky = Flaky(told_to_wait(status, "1"), httpx.Response(200, json=1))
            assert http(flaky).get("/v1/things") == 1
    finally:
        stamina.instrumentation.set_on_retry_hooks(before)
    assert pauses == [1.0]


def test_what_was_refused_with_429_is_sent_again_whatever_it_is() -> None:
    flaky = Flaky(told_to_wait(429, "1"), httpx.Response(200, json=1))
    assert http(flaky).post("/v1/things", {}) == 1
    with pytest.raises(ServerFault):
        http(Flaky(told_to_wait(503, "1"))).post("/v1/things", {})


def test_a_pause_that_is_longer_than_the_patience_is_an_error_that_names_it() -> None:
    with pytest.raises(TooManyRequests) as caught:
        http(Flaky(told_to_wait(429, "21"))).get("/v1/things")
    assert caught.value.retry_after_s == 21.0
    for odd in ["Wed, 21 Oct 2026 07:28:00 GMT", "", "-1", "1e9", "9" * 400]:
        assert http(Flaky(told_to_wait(429, odd), httpx.Response(204))).get("/") is None


@pytest.mark.parametrize("token", ["two words", "line\nbreak", "caf\u00e9", "x" * 501])
def test_a_token_that_no_header_can_carry_is_refused(token: str) -> None:
    with pytest.raises(LpnetError, match="ASCII characters at most, without spaces"):
        Http("http://lpnet.test", token)


def test_a_request_has_an_id_that_all_its_attempts_share() -> None:
    flaky = Flaky(httpx.Response(503), httpx.Response(200, json={}), httpx.Response(200, json={}))
    with http(flaky) as server:
        server.get("/a")
        first = server.request_id
        server.get("/b")
    assert [request.headers["X-Request-Id"] for request in flaky.seen] == [
        first,
        first,
        server.request_id,
    ]
    assert first != server.request_id


def test_a_server_fault_says_the_request_and_other_errors_hold_it() -> None:
    flaky = Flaky(
        httpx.Response(500, json={"detail": "failed"}),
        httpx.Response(500, json={"detail": "failed"}, headers={"X-Request-Id": "theirs"}),
        httpx.Response(404, json={"detail": "nothing"}),
    )
    with http(flaky, attempts=1) as server:
        with pytest.raises(ServerFault, match="failed") as own:
            server.get("/a")
        assert str(own.value).endswith(f"(request {server.request_id})")
        with pytest.raises(ServerFault, match=r"\(request theirs\)$"):
            server.get("/a")
        with pytest.raises(NotFound) as missing:
            server.get("/a")
    assert missing.value.request_id == server.request_id
    assert "request" not in str(missing.value)


def test_a_download_has_an_id_too() -> None:
    flaky = Flaky(httpx.Response(200, content=b"bytes"))
    with http(flaky) as server, server.stream("/a") as pieces:
        assert b"".join(pieces) == b"bytes"
    assert flaky.seen[0].headers["X-Request-Id"] == server.request_id


TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def test_a_trace_is_carried_on_where_one_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    flaky = Flaky(*(httpx.Response(204) for _ in range(4)))
    http(flaky).get("/a")
    http(flaky, traceparent=TRACEPARENT).get("/a")
    monkeypatch.setenv("TRACEPARENT", TRACEPARENT)
    http(flaky).get("/a")
    monkeypatch.setenv("TRACEPARENT", "what a broken build leaves behind")
    http(flaky).get("/a")
    sent = [request.headers.get("traceparent") for request in flaky.seen]
    assert sent == [None, TRACEPARENT, TRACEPARENT, None]
    with pytest.raises(ValueError, match="traceparent='00-zz'"):
        http(flaky, traceparent="00-zz")
