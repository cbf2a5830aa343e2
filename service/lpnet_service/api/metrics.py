"""Metrics for Prometheus."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse, Response
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from lpnet_service.api.access import Scraper
from lpnet_service.api.deps import Ctx
from lpnet_service.api.families import StoredFamilies
from lpnet_service.observe.meters import Meters
from lpnet_service.services.reading.metrics import CachedMetrics

router = APIRouter(tags=["health"])


@router.get("/metrics", response_class=PlainTextResponse)
def metrics(ctx: Ctx, _caller: Scraper, request: Request) -> Response:
    """Metrics of the service and of its data, in the text format of Prometheus or OpenMetrics.

    If the database cannot be read, `lpnet_database_up` is 0.
    """
    meters: Meters = request.app.state.meters
    stored: CachedMetrics = request.app.state.stored_metrics
    registry = CollectorRegistry()
    registry.register(meters)
    registry.register(StoredFamilies(stored.get(), ctx.settings.metrics_names))
    encode, media_type = choose_encoder(request.headers.get("accept", ""))
    return Response(encode(registry), media_type=media_type)
