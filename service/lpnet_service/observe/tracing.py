"""Traces by OpenTelemetry, where the environment asks for them; nothing otherwise.

The packages of `lpnet[telemetry]` are imported only then.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib import import_module
from importlib.metadata import version
from threading import Thread
from typing import TYPE_CHECKING, Any

from lpnet.logs import fields
from lpnet.logs.secrets import redacted
from lpnet_service.errors import SetupError

if TYPE_CHECKING:
    from fastapi import FastAPI
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span, Tracer

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL")
_NEEDED = (
    "opentelemetry.sdk.trace",
    "opentelemetry.exporter.otlp.proto.http.trace_exporter",
    "opentelemetry.instrumentation.fastapi",
)
_SPEAKS = "http/protobuf"
# Asked by supervisors and by Prometheus all day long.
_NOT_TRACED = "/healthz$,/readyz$,/metrics$"
# Attributes that may hold the token of a lease, since it is a part of the path.
_PATHS = ("http.target", "http.url", "url.path", "url.full")
# The service ends within 10 s of being told to, whether or not the collector answers.
_LAST_WORDS_S = 2.0

_tracer: Tracer | None = None


def is_wanted() -> bool:
    """Whether the environment names a collector, and does not switch traces off."""
    off = os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true"
    none = os.environ.get("OTEL_TRACES_EXPORTER", "otlp") == "none"
    return not off and not none and any(os.environ.get(name) for name in _ENDPOINTS)


def check() -> None:
    """Raises SetupError where traces are asked for and cannot be sent from here."""
    if not is_wanted():
        return
    for name in _PROTOCOLS:
        asked = os.environ.get(name)
        if asked and asked != _SPEAKS:
            raise SetupError(f"{name}: {asked!r} is not spoken here, only {_SPEAKS}")
    try:
        for module in _NEEDED:
            import_module(module)
    except ModuleNotFoundError as error:
        variable = next(name for name in _ENDPOINTS if os.environ.get(name))
        raise SetupError(
            f"{variable} is set, and sending traces needs the package {error.name!r}: "
            "pip install 'lpnet[telemetry]'"
        ) from error


@contextmanager
def traces(role: str, app: FastAPI | None = None) -> Iterator[None]:
    """Send traces of this process, and of the requests to `app`, as long as this is open.

    `role` is `api` or `worker`. Raises SetupError where traces are asked for and cannot be sent.
    """
    global _tracer
    if not is_wanted():
        yield
        return
    provider = _provider(role)
    if app is not None:
        _instrument(app, provider)
    _tracer = provider.get_tracer("lpnet_service", version("lpnet"))
    try:
        yield
    finally:
        _tracer = None
        last_words = Thread(target=provider.shutdown, name="last traces", daemon=True)
        last_words.start()
        last_words.join(_LAST_WORDS_S)


def span(name: str, **attributes: Any) -> AbstractContextManager[object]:
    """A span of the trace at hand, or of a new one; nothing where traces are off."""
    if _tracer is None:
        return nullcontext()
    return _tracer.start_as_current_span(name, attributes=attributes)


def inner_span(name: str, **attributes: Any) -> AbstractContextManager[object]:
    """A span of the trace at hand; nothing where there is none, or traces are off."""
    if _tracer is None:
        return nullcontext()
    from opentelemetry.trace import get_current_span

    if not get_current_span().is_recording():
        return nullcontext()
    return _tracer.start_as_current_span(name, attributes=attributes)


def _provider(role: str) -> TracerProvider:
    check()
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    about: dict[str, str | int] = {
        "service.name": os.environ.get("OTEL_SERVICE_NAME", f"lpnet-{role}"),
        "service.namespace": "lpnet",
        "service.version": version("lpnet"),
        "service.instance.id": f"{os.uname().nodename}-{os.getpid()}",
        "process.pid": os.getpid(),
    }
    # The exporter's own atexit handler waits half a minute for a collector that is gone.
    provider = TracerProvider(resource=Resource.create(about), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider


def _instrument(app: FastAPI, provider: TracerProvider) -> None:
    from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor

    FastAPIInstrumentor.instrument_app(
        app,
        tracer_provider=provider,
        excluded_urls=_NOT_TRACED,
        server_request_hook=_name_request,
        exclude_spans=["receive", "send"],
    )


def _name_request(span: Span, scope: dict[str, Any]) -> None:
    """Tie the span of a request and the lines of its log to each other."""
    if not span.is_recording():
        return
    known = fields.known()
    span.set_attribute("lpnet.request_id", known["request_id"])
    recorded = getattr(span, "attributes", None) or {}
    for name in _PATHS:
        if isinstance(recorded.get(name), str):
            span.set_attribute(name, redacted(recorded[name]))
    context = span.get_span_context()
    fields.know(trace_id=f"{context.trace_id:032x}", span_id=f"{context.span_id:016x}")
