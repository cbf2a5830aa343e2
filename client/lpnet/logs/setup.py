"""Sending every line of a process the same way: structlog's, and those of other libraries."""

from __future__ import annotations

import logging
import sys
from typing import Any, Literal, TextIO

import structlog
from structlog.typing import EventDict, Processor

from lpnet.logs.fields import merged
from lpnet.logs.secrets import redacted

Form = Literal["console", "json"]
Level = Literal["debug", "info", "warning", "error"]

# These say every request, and every step of a start, as loudly as others say what happens.
_TALKATIVE = ("httpx", "httpcore", "urllib3", "alembic")


def configure(form: Form, level: Level, stream: TextIO | None = None) -> None:
    """Write one line per event to `stream` (default: standard error), without secrets.

    Lines of the standard library's logging, and Python's warnings, go the same way; an exception
    is part of its line in JSON, and below it otherwise.
    """
    out = stream or sys.stderr
    number = logging.getLevelNamesMapping()[level.upper()]
    first: list[Processor] = [
        merged,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last = _rendering(form, out)
    structlog.configure(
        processors=[*first, *last],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        # One write a line: processes that share a standard error must not mix theirs.
        logger_factory=structlog.WriteLoggerFactory(out),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*first, structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(number)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(max(number, logging.WARNING))
    logging.captureWarnings(True)


def _rendering(form: Form, out: TextIO) -> list[Processor]:
    if form == "json":
        return [
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
            _without_secrets,
        ]
    return [
        # Not the colourful traceback, which prints the values of every variable on the way.
        structlog.dev.ConsoleRenderer(
            colors=out.isatty(), exception_formatter=structlog.dev.plain_traceback
        ),
        _without_secrets,
    ]


def _without_secrets(_logger: Any, _method: str, line: str | EventDict) -> str:
    return redacted(str(line))
