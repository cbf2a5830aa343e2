"""What every service function works in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lpnet_service.artifacts.opening import open_store
from lpnet_service.artifacts.protocol import ArtifactStore
from lpnet_service.clock import Clock, SystemClock
from lpnet_service.db.engine import Database
from lpnet_service.services.shared.buckets import Buckets
from lpnet_service.services.shared.cache import Cache
from lpnet_service.settings import Settings

if TYPE_CHECKING:
    from lpnet_service.services.shared.spaces_in_memory import HeldSpace

_CACHED_NUMBERS = 200_000
_CACHED_BLOCKS = 20_000


@dataclass(frozen=True)
class Context:
    """Database, clock, settings and the store of artifacts; and memories of what never changes.

    `models` holds LPNets by id, `predictors` them bound to a space (id, space, block, batch),
    `numbers` predictions of measured workloads (id, workload key), NaN where not covered, and
    `spreads` their relative spreads; `needs` how many numbers a workload (its key) holds in
    memory; `op_types` the types of the ops in a block (space, block) or a workload (its key,
    None). `buckets` counts the requests of tokens in this process.
    """

    db: Database
    clock: Clock
    settings: Settings
    artifacts: ArtifactStore
    spaces: Cache[str, HeldSpace]
    models: Cache[str, Any]
    predictors: Cache[tuple[str, str, str | None, int], Any]
    numbers: Cache[tuple[str, str], float]
    spreads: Cache[tuple[str, str], float]
    needs: Cache[str, float]
    buckets: Buckets
    op_types: Cache[tuple[str, str | None], tuple[str, ...]]


def context(settings: Settings, db: Database | None = None, clock: Clock | None = None) -> Context:
    """A context on the database and the store that the settings name. SetupError."""
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
        buckets=Buckets(),
        op_types=Cache(_CACHED_BLOCKS),
    )
