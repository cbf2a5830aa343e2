"""Results of pruning jobs: reported, listed, removed."""

from __future__ import annotations

from lpnet.schemas.pruning import PruningPage, PruningResult
from lpnet_service.db.rows import PruningRow
from lpnet_service.errors import BadRequest, Conflict, NotFound, WidthsError
from lpnet_service.repositories.inserts import insert_if_new
from lpnet_service.repositories.prunings import Filters, PruningRepository
from lpnet_service.services.shared import loaded_spaces
from lpnet_service.services.shared.context import Context
from lpnet_service.services.shared.targets import require_target

_MOST = 2**62


def report(ctx: Context, result: PruningResult) -> tuple[PruningResult, bool]:
    """Keep a result; what is kept, and whether it is new. One that was reported before stays as
    it was.

    Raises NotFound for an unknown target or space, WidthsError for widths that the space does not
    have, Conflict where the id is that of another network.
    """
    faults = list(
        loaded_spaces.width_errors(
            loaded_spaces.load_space(ctx, result.space).limits[None], result.widths
        )
    )
    if faults:
        raise WidthsError("widths that this space does not have", faults[:100])
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
        known = PruningResult.model_validate_json(row.body_json)
    if _network(known) != _network(result):
        raise Conflict(f"pruning {result.id!r} was reported before, of another network")
    return known, False


def _network(result: PruningResult) -> tuple[object, ...]:
    return result.job, result.round, result.target, result.space, result.batch, result.widths


def page(ctx: Context, filters: Filters, *, after: str | None, limit: int) -> PruningPage:
    """Results that match, newest first. Raises BadRequest for an `after` that no page gave."""
    with ctx.db.read() as session:
        rows = PruningRepository(session).page(filters, _number(after), limit + 1)
    return PruningPage(
        items=tuple(PruningResult.model_validate_json(row.body_json) for row in rows[:limit]),
        next=str(rows[limit - 1].seq) if len(rows) > limit else None,
    )


def _number(after: str | None) -> int | None:
    if after is None:
        return None
    if not (after.isascii() and after.isdigit() and len(after) < 19 and int(after) < _MOST):
        raise BadRequest("after: not a place that a page named as its `next`")
    return int(after)


def get(ctx: Context, id_: str) -> PruningResult:
    """One result. NotFound where there is none of that id."""
    with ctx.db.read() as session:
        row = PruningRepository(session).get(id_)
    if row is None:
        raise NotFound("pruning result", id_)
    return PruningResult.model_validate_json(row.body_json)


def remove(ctx: Context, id_: str) -> None:
    """Forget a result. NotFound where there is none of that id."""
    with ctx.db.write() as session:
        if not PruningRepository(session).delete(id_):
            raise NotFound("pruning result", id_)
