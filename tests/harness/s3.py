"""A server on loopback that speaks as much of S3 as an object store needs: PUT, GET, HEAD, DELETE
and DeleteObjects of objects in one bucket, path style. It checks that a request is signed (not by
whom) and that a body is what its header says."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit
from xml.sax.saxutils import escape

BUCKET = "lpnet"
_NO_SUCH_KEY = b"<Error><Code>NoSuchKey</Code><Message>no such key</Message></Error>"


@dataclass
class Bucket:
    """Objects by their keys. With `status` set every request is answered with it alone;
    `requests` lists those that came."""

    url: str
    objects: dict[str, bytes] = field(default_factory=dict)
    status: int | None = None
    requests: list[str] = field(default_factory=list)

    @property
    def environment(self) -> Mapping[str, str]:
        """What a client of it reads."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": "eu-central-1",
        }


@contextmanager
def bucket() -> Iterator[Bucket]:
    """A running server with an empty bucket."""

    class Handler(_Handler):
        @property
        def held(self) -> Bucket:
            return held

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    held = Bucket(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield held
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def held(self) -> Bucket:
        raise NotImplementedError

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        self.held.requests.append(f"{self.command} {self.path}")
        path = urlsplit(self.path)
        _, _, key = unquote(path.path).removeprefix("/").partition("/")
        if self.held.status is not None:
            self._send(self.held.status)
        elif not self._signed(body):
            self._send(403, b"<Error><Code>AccessDenied</Code></Error>")
        elif self.command == "POST" and path.query == "delete":
            self._delete_several(body.decode())
        elif self.command == "PUT":
            self.held.objects[key] = body
            self._send(200, etag=body)
        elif self.command == "DELETE":
            self.held.objects.pop(key, None)
            self._send(204)
        elif key not in self.held.objects:
            self._send(404, _NO_SUCH_KEY)
        else:
            self._send(200, self.held.objects[key], etag=self.held.objects[key])

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _answer

    def _signed(self, body: bytes) -> bool:
        sha256 = self.headers.get("x-amz-content-sha256", "")
        is_whole = sha256 in ("UNSIGNED-PAYLOAD", hashlib.sha256(body).hexdigest())
        return is_whole and self.headers.get("authorization", "").startswith("AWS4-HMAC-SHA256 ")

    def _delete_several(self, body: str) -> None:
        keys = re.findall(r"<Key>(.*?)</Key>", body)
        for key in keys:
            self.held.objects.pop(key, None)
        gone = "".join(f"<Deleted><Key>{escape(key)}</Key></Deleted>" for key in keys)
        self._send(200, f"<DeleteResult>{gone}</DeleteResult>".encode())

    def _send(self, status: int, content: bytes = b"", etag: bytes | None = None) -> None:
        self.send_response(status)
        self.send_header("content-length", str(len(content)))
        if etag is not None:
            self.send_header("etag", f'"{hashlib.sha256(etag).hexdigest()}"')
            self.send_header("last-modified", "Sat, 31 Jan 2026 12:00:00 GMT")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Not on the tests' output."""
