"""Health checks."""

from __future__ import annotations

from fastapi import APIRouter
from sqlalchemy.exc import SQLAlchemyError

from lpnet.schemas.health import Health
from lpnet_service.api.deps import Ctx
from lpnet_service.api.problems import problems
from lpnet_service.db.migrate import is_current
from lpnet_service.errors import NotReady

router = APIRouter(tags=["health"])


@router.get("/healthz")
def healthz() -> Health:
    """The process is alive."""
    return Health(status="ok")


@router.get("/readyz", responses=problems(503))
def readyz(ctx: Ctx) -> Health:
    """The database is in reach and migrated."""
    try:
        current = is_current(ctx.db)
    except SQLAlchemyError as error:
        raise NotReady(f"the database is out of reach: {type(error).__name__}") from error
    if not current:
        raise NotReady("the database is behind its migrations: run lpnet-service migrate")
    return Health(status="ok")
