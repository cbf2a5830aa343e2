"""Results of pruning jobs: reported, listed, removed."""

from __future__ import annotations

from lpnet.schemas.pruning import PruningPage, PruningResult
from lpnet_service.db.retrying import retried
from lpnet_service.db.rows import PruningRow
from lpnet_service.errors import Conflict, NotFound, WidthsError
from lpnet_service.repositories.inserts import insert_if_new
from lpnet_service.repositories.prunings import Filters, PruningRepository
from lpnet_service.services.shared import cursors, loaded_spaces
from lpnet_service.services.shared.context import Context
from lpnet_service.services.shared.targets import require_target
from lpnet_service.services.shared.width_limits import width_errors


@retried
def report(ctx: Context, result: PruningResult) -> tuple[PruningResult, bool]:
    """Store a result; returns the stored result and whether it is new.

    A result that was reported before does not change. Raises WidthsError for widths that the space
    does not have, Conflict if the id belongs to another network.
    """
    limits = loaded_spaces.load_space(ctx, result.space).limits[None]
    errors = list(width_errors(limits, result.widths))
    if errors:
        raise WidthsError("widths that this space does not have", errors[:100])
    values = {
        "id": result.id,
        "target": result.target,
        "space": result.space,
        "chosen": result.chosen,
        "body_json": result.model_dump_json(),
        "stored_at": ctx.clock.now(),
    }
    with ctx.db.write() as session:
        require_target(session, result.target)
        if insert_if_new(session, PruningRow, values, key="id"):
            return result, True
        row = PruningRepository(session).get(result.id)
        assert row is not None
        stored = PruningResult.model_validate_json(row.body_json)
    if _network(stored) != _network(result):
        raise Conflict(f"pruning {result.id!r} was already reported for another network")
    return stored, False


def _network(result: PruningResult) -> tuple[object, ...]:
    return result.job, result.round, result.target, result.space, result.batch, result.widths


def page(ctx: Context, filters: Filters, *, after: str | None, limit: int) -> PruningPage:
    before = cursors.parse_seq(after)
    with ctx.db.read() as session:
        rows = PruningRepository(session).page(filters, before, limit + 1)
    return PruningPage(
        items=tuple(PruningResult.model_validate_json(row.body_json) for row in rows[:limit]),
        next=str(rows[limit - 1].seq) if len(rows) > limit else None,
    )


def get(ctx: Context, id_: str) -> PruningResult:
    with ctx.db.read() as session:
        row = PruningRepository(session).get(id_)
    if row is None:
        raise NotFound("pruning result", id_)
    return PruningResult.model_validate_json(row.body_json)


@retried
def remove(ctx: Context, id_: str) -> None:
    with ctx.db.write() as session:
        if not PruningRepository(session).delete(id_):
            raise NotFound("pruning result", id_)
