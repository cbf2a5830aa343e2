"""The same log format for all lines of a process, of structlog and of other libraries."""

from __future__ import annotations

import logging
import sys
from typing import Any, Literal, TextIO

import structlog
from structlog.typing import EventDict, Processor

from lpnet.logs.fields import merge_fields
from lpnet.logs.secrets import redact

Format = Literal["console", "json"]
Level = Literal["debug", "info", "warning", "error"]

# At info these log every request, or every step of a start.
_VERBOSE_LOGGERS = ("httpx", "httpcore", "urllib3", "alembic")


def configure(format_: Format, level: Level, stream: TextIO | None = None) -> None:
    """Write one line per event to `stream` (default: standard error), without secrets.

    This includes the standard library's logging and Python's warnings. An exception is part of its
    line in JSON, and below it otherwise.
    """
    out = stream or sys.stderr
    level_number = logging.getLevelNamesMapping()[level.upper()]
    processors: list[Processor] = [
        merge_fields,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderers = _renderers(format_, out)
    structlog.configure(
        processors=[*processors, *renderers],
        wrapper_class=structlog.make_filtering_bound_logger(level_number),
        # A single write per line, so that processes sharing a stream do not mix their lines.
        logger_factory=structlog.WriteLoggerFactory(out),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*processors, structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderers],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level_number)
    for name in _VERBOSE_LOGGERS:
        logging.getLogger(name).setLevel(max(level_number, logging.WARNING))
    logging.captureWarnings(True)


def _renderers(format_: Format, out: TextIO) -> list[Processor]:
    if format_ == "json":
        return [
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
            _without_secrets,
        ]
    return [
        # The colourful traceback would print the values of variables.
        structlog.dev.ConsoleRenderer(
            colors=out.isatty(), exception_formatter=structlog.dev.plain_traceback
        ),
        _without_secrets,
    ]


def _without_secrets(_logger: Any, _method: str, line: str | EventDict) -> str:
    return redact(str(line))
