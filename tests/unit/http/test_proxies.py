"""Proxies of the environment: a wrong one is named, and one for other servers is ignored."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import stamina

import lpnet
from lpnet.errors import LpnetError, ServerUnreachable
from lpnet.http import Http
from lpnet.proxies import find_proxy

SERVER = "http://192.0.2.7:8000"
NAMES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE")
COMMANDS = {
    "lpnet": ("from lpnet.cli.main import app; app()", "devices", "--url"),
    "lpnet-agent": ("from lpnet_agent.main import app; app()", "run", "--server"),
}


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.mark.parametrize("name", ["ALL_PROXY", "all_proxy", "HTTP_PROXY", "http_proxy"])
@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
def test_a_socks_proxy_without_its_package_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, scheme: str
) -> None:
    monkeypatch.setitem(sys.modules, "socksio", None)
    monkeypatch.setenv(name, f"{scheme}://127.0.0.1:9")
    with pytest.raises(LpnetError, match=f"^{name}={scheme}://127.0.0.1:9: .*socksio") as raised:
        lpnet.Client(SERVER)
    assert "add 192.0.2.7 to NO_PROXY" in str(raised.value)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("socks://127.0.0.1:1080/", "kind 'socks' are not supported, only http, https, socks5"),
        ("socks4://127.0.0.1:1080", "kind 'socks4'"),
        ("ftp://proxy", "kind 'ftp'"),
        ("http://", "is not the URL of a proxy"),
        ("http://proxy:31x28", "is not the URL of a proxy"),
        ("http://proxy:99999", "is not the URL of a proxy"),
        ("http://[::1", "is not the URL of a proxy"),
        ("http://pro xy:3128", "is not the URL of a proxy"),
        ("'http://proxy:3128'", "is not the URL of a proxy"),
        ("http:proxy", "is not the URL of a proxy"),
    ],
)
@pytest.mark.parametrize("name", ["ALL_PROXY", "http_proxy"])
def test_a_proxy_that_cannot_be_used_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, message: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ServerUnreachable, match=message) as raised:
        Http(SERVER)
    assert str(raised.value).startswith(f"{name}=")
    assert value in str(raised.value)
    assert f"unset {name}" in str(raised.value)


def test_the_variable_depends_on_the_scheme_of_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "socks4://127.0.0.1:9")
    Http(SERVER).close()
    with pytest.raises(ServerUnreachable, match="HTTPS_PROXY"):
        Http("https://192.0.2.7")


@pytest.mark.parametrize("excluded", ["192.0.2.7", "192.0.2.7:8000", "x.test, 192.0.2.7", "*"])
def test_an_excluded_server_needs_no_proxy(monkeypatch: pytest.MonkeyPatch, excluded: str) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks4://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", excluded)
    Http(SERVER).close()


def test_a_server_on_this_machine_needs_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:9")
    for host in ("localhost", "127.0.0.1", "[::1]"):
        Http(f"http://{host}:8000").close()


def test_a_valid_proxy_is_found_and_its_credentials_are_hidden(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert find_proxy("http", "example.test", None) is None
    monkeypatch.setenv("ALL_PROXY", "https://me:secret@proxy.test:8443")
    proxy = find_proxy("http", "example.test", 8000)
    assert proxy is not None
    assert proxy.url == "https://me:secret@proxy.test:8443"
    assert str(proxy) == "ALL_PROXY=https://***@proxy.test:8443"
    monkeypatch.setenv("http_proxy", "proxy.test:3128")
    assert str(find_proxy("http", "example.test", 8000)) == "http_proxy=http://proxy.test:3128"
    monkeypatch.setenv("HTTP_PROXY", "http://me:secret@proxy.test:x")
    monkeypatch.delenv("http_proxy")
    with pytest.raises(ServerUnreachable) as raised:
        Http(SERVER)
    assert "secret" not in str(raised.value)


def test_a_proxy_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    message = f"no answer from {SERVER} through the proxy HTTP_PROXY=http://127.0.0.1:9"
    with (
        stamina.set_testing(True),
        Http(SERVER, attempts=1) as server,
        pytest.raises(ServerUnreachable, match=message),
    ):
        server.get("/v1/devices")


def test_certificates_that_cannot_be_read_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/no/such/file.pem")
    with pytest.raises(LpnetError, match="SSL_CERT_FILE"):
        Http("https://192.0.2.7")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_names_it_in_one_line(command: str, tmp_path: Path) -> None:
    code, *arguments = COMMANDS[command]
    state = {"LPNET_AGENT_STATE_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments, SERVER],
        env=os.environ | state | {"ALL_PROXY": "socks://127.0.0.1:9"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1
    assert "error: ALL_PROXY=socks://127.0.0.1:9" in done.stderr
    assert "Traceback" not in done.stderr
