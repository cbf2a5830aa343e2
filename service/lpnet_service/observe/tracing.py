"""OpenTelemetry traces, if the environment configures them.

Only then the packages of `lpnet-service[telemetry]` are imported.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib import import_module
from importlib.metadata import version
from threading import Thread
from typing import TYPE_CHECKING, Any

from lpnet.installation import install_command
from lpnet.logs import fields
from lpnet.logs.secrets import redact
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
_PROTOCOL = "http/protobuf"
# Requested by supervisors and by Prometheus all day long.
_NOT_TRACED = "/healthz$,/readyz$,/metrics$"
# Attributes that may hold the token of a lease, which is part of the path.
_PATHS = ("http.target", "http.url", "url.path", "url.full")
# The service ends within 10 s of a signal, even if the collector does not answer.
_FLUSH_S = 2.0

_tracer: Tracer | None = None


def is_enabled() -> bool:
    off = os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true"
    none = os.environ.get("OTEL_TRACES_EXPORTER", "otlp") == "none"
    return not off and not none and any(os.environ.get(name) for name in _ENDPOINTS)


def check() -> None:
    """Raises SetupError if traces are enabled and cannot be sent."""
    if not is_enabled():
        return
    for name in _PROTOCOLS:
        protocol = os.environ.get(name)
        if protocol and protocol != _PROTOCOL:
            raise SetupError(f"{name}: must be {_PROTOCOL}, got {protocol!r}")
    try:
        for module in _NEEDED:
            import_module(module)
    except ModuleNotFoundError as error:
        variable = next(name for name in _ENDPOINTS if os.environ.get(name))
        raise SetupError(
            f"{variable} is set, but sending traces needs the package {error.name!r}: "
            + install_command("telemetry", "lpnet-service")
        ) from error


@contextmanager
def traces(role: str, app: FastAPI | None = None) -> Iterator[None]:
    """Send traces of this process, and of the requests to `app`, during this block.

    `role` is `api` or `worker`. Raises SetupError if traces are enabled and cannot be sent.
    """
    global _tracer
    if not is_enabled():
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
        flush = Thread(target=provider.shutdown, name="flush traces", daemon=True)
        flush.start()
        flush.join(_FLUSH_S)


def span(name: str, **attributes: Any) -> AbstractContextManager[object]:
    """A span of the current trace, or of a new one; nothing if traces are disabled."""
    if _tracer is None:
        return nullcontext()
    return _tracer.start_as_current_span(name, attributes=attributes)


def inner_span(name: str, **attributes: Any) -> AbstractContextManager[object]:
    """A span of the current trace; nothing without one, or if traces are disabled."""
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

    attributes: dict[str, str | int] = {
        "service.name": os.environ.get("OTEL_SERVICE_NAME", f"lpnet-{role}"),
        "service.namespace": "lpnet",
        "service.version": version("lpnet"),
        "service.instance.id": f"{os.uname().nodename}-{os.getpid()}",
        "process.pid": os.getpid(),
    }
    # The atexit handler of the exporter waits half a minute for an unreachable collector.
    provider = TracerProvider(resource=Resource.create(attributes), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider


def _instrument(app: FastAPI, provider: TracerProvider) -> None:
    from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor

    FastAPIInstrumentor.instrument_app(
        app,
        tracer_provider=provider,
        excluded_urls=_NOT_TRACED,
        server_request_hook=_annotate_span,
        exclude_spans=["receive", "send"],
    )


def _annotate_span(span: Span, scope: dict[str, Any]) -> None:
    if not span.is_recording():
        return
    span.set_attribute("lpnet.request_id", fields.current()["request_id"])
    recorded = getattr(span, "attributes", None) or {}
    for name in _PATHS:
        if isinstance(recorded.get(name), str):
            span.set_attribute(name, redact(recorded[name]))
    context = span.get_span_context()
    fields.bind(trace_id=f"{context.trace_id:032x}", span_id=f"{context.span_id:016x}")
