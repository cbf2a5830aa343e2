"""What every service function works with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lpnet_service.artifacts.opening import open_store
from lpnet_service.artifacts.protocol import ArtifactStore
from lpnet_service.clock import Clock, SystemClock
from lpnet_service.db.engine import Database
from lpnet_service.services.shared.cache import Cache
from lpnet_service.services.shared.rate_limits import RateLimiter
from lpnet_service.services.shared.width_limits import LoadedSpace
from lpnet_service.settings import Settings

_CACHED_NUMBERS = 200_000
_CACHED_BLOCKS = 20_000


@dataclass(frozen=True)
class Context:
    """Database, clock, settings, artifact store, and caches of values that never change.

    spaces       loaded spaces by hash
    models       LPNets by id
    predictors   LPNets bound to a space, by (LPNet id, space, block, batch)
    numbers      predicted ms of a measured workload, by (LPNet id, workload key); NaN if the
                 LPNet does not cover it
    spreads      relative spread of those predictions, by the same key
    needs        how many numbers a workload holds in memory, by workload key
    op_types     types of the ops of a block, by (space, block), or of a workload of ops, by
                 (workload key, None)
    rate_limiter requests of each token in this process
    """

    db: Database
    clock: Clock
    settings: Settings
    artifacts: ArtifactStore
    spaces: Cache[str, LoadedSpace]
    models: Cache[str, Any]
    predictors: Cache[tuple[str, str, str | None, int], Any]
    numbers: Cache[tuple[str, str], float]
    spreads: Cache[tuple[str, str], float]
    needs: Cache[str, float]
    rate_limiter: RateLimiter
    op_types: Cache[tuple[str, str | None], tuple[str, ...]]


def context(settings: Settings, db: Database | None = None, clock: Clock | None = None) -> Context:
    """A context on the database and the store that the settings name. Raises SetupError."""
    db, clock = db or Database(settings.database_url), clock or SystemClock()
    return Context(
        db=db,
        clock=clock,
        settings=settings,
        artifacts=open_store(settings.artifacts, db, clock),
        spaces=Cache(settings.cached_spaces),
        models=Cache(settings.cached_predictors),
        predictors=Cache(settings.cached_predictors),
        numbers=Cache(_CACHED_NUMBERS),
        spreads=Cache(_CACHED_NUMBERS),
        needs=Cache(_CACHED_NUMBERS),
        rate_limiter=RateLimiter(),
        op_types=Cache(_CACHED_BLOCKS),
    )
