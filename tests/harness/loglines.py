"""The log of this process, as JSON lines that a test can read, and put back as it was."""

from __future__ import annotations

import io
import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog

from lpnet.logs.setup import Level, configure


class Lines:
    """What was logged so far."""

    def __init__(self, stream: io.StringIO) -> None:
        self._stream = stream

    @property
    def text(self) -> str:
        return self._stream.getvalue()

    def all(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text.splitlines()]

    def of(self, event: str) -> list[dict[str, Any]]:
        return [line for line in self.all() if line["event"] == event]


@contextmanager
def logged(level: Level = "info") -> Iterator[Lines]:
    """Log into memory for the length of the block."""
    stream = io.StringIO()
    with as_before():
        configure("json", level, stream)
        yield Lines(stream)


@contextmanager
def as_before() -> Iterator[None]:
    """Put this process's logging back as it was, at the end of the block."""
    root = logging.getLogger()
    before = (root.handlers, root.level, warnings.showwarning)
    try:
        yield
    finally:
        logging.captureWarnings(False)
        root.handlers, _, warnings.showwarning = before
        root.setLevel(before[1])
        structlog.reset_defaults()
