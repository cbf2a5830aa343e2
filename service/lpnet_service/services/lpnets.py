"""LPNets: published by the worker, listed and given out."""

from __future__ import annotations

import json

from sqlalchemy.orm import Session

from lpnet.schemas.lpnet import LPNetInfo
from lpnet.schemas.report import Report
from lpnet_service.db.rows import LPNetRow
from lpnet_service.errors import NotThere
from lpnet_service.ids import new_id
from lpnet_service.repositories import artifacts as artifacts_
from lpnet_service.repositories import devices as devices_
from lpnet_service.repositories import lpnets as lpnets_
from lpnet_service.services import runs
from lpnet_service.services.context import Context
from lpnet_service.services.runs import HeldRun
from lpnet_service.services.targets import found

NOT_WORSE = 1.1


def of_target(ctx: Context, target: str) -> list[LPNetInfo]:
    """Versions of a target's LPNet, newest first. NotThere for an unknown target."""
    with ctx.db.read() as session:
        found(session, target)
        return [_wire(row) for row in lpnets_.of_target(session, target)]


def get(ctx: Context, id_: str) -> LPNetInfo:
    """One LPNet. NotThere where there is none of that id."""
    return _wire(_row(ctx, id_))


def report(ctx: Context, id_: str) -> Report:
    """How good an LPNet was when it was trained. NotThere."""
    return Report.model_validate_json(_row(ctx, id_).report_json)


def weights_sha256(ctx: Context, id_: str) -> str:
    """What its weights are known by. NotThere."""
    return _row(ctx, id_).weights_sha256


def weights(ctx: Context, id_: str) -> bytes:
    """The safetensors file of an LPNet. NotThere."""
    sha256 = weights_sha256(ctx, id_)
    with ctx.db.read() as session:
        content = artifacts_.get(session, sha256)
    if content is None:
        raise NotThere("LPNet file", sha256)
    return content


def _row(ctx: Context, id_: str) -> LPNetRow:
    with ctx.db.read() as session:
        row = lpnets_.get(session, id_)
    if row is None:
        raise NotThere("LPNet", id_)
    return row


def publish(
    ctx: Context,
    run: HeldRun,
    content: bytes,
    report: Report,
    *,
    epoch: int,
    seed: int,
    batches: tuple[int, ...],
) -> LPNetInfo:
    """Keep a trained LPNet as its target's next version, and end the run that made it.

    It becomes the active one if it is not worse; see `not_worse`. Raises LeaseLost, and keeps
    nothing, where the run was cancelled or taken over.
    """
    now, id_ = ctx.clock.now(), new_id("lpnet")
    with ctx.db.write() as session:
        # Two trainings of a target take turns here, so that versions are counted without gaps.
        devices_.lock_target(session, run.target)
        held = runs.held(session, run)
        row = LPNetRow(
            id=id_,
            target=run.target,
            version=lpnets_.next_version(session, run.target),
            epoch=epoch,
            active=False,
            seed=seed,
            network_mape_pct=_network_mape(report),
            batches_json=json.dumps(batches),
            weights_sha256=artifacts_.put(session, content, now),
            report_json=report.model_copy(update={"lpnet": id_}).model_dump_json(),
            created_at=now,
        )
        _activate(session, row, report.noise_floor_pct)
        session.add(row)
        session.flush()
        runs.finish(session, ctx, held, Report.model_validate_json(row.report_json), id_)
    return _wire(row)


def _activate(session: Session, new: LPNetRow, noise_floor_pct: float | None) -> None:
    old = lpnets_.active(session, new.target)
    if (
        old is None
        or old.epoch != new.epoch
        or not_worse(new.network_mape_pct, old.network_mape_pct, noise_floor_pct)
    ):
        lpnets_.deactivate(session, new.target)
        new.active = True


def not_worse(new: float | None, old: float | None, noise_floor_pct: float | None) -> bool:
    """Whether a new version may take over: its held-out network error (MAPE, percent) is at most
    1.1 times that of the version in use, plus the noise floor, below which nothing can be told.

    Sides are never redrawn, so both were judged on the same networks but for those that came
    since. A version that was judged is better than one that was not.
    """
    if old is None:
        return True
    return new is not None and new <= old * NOT_WORSE + (noise_floor_pct or 0.0)


def _network_mape(report: Report) -> float | None:
    return report.held_out.network.mape_pct if report.held_out.network else None


def _wire(row: LPNetRow) -> LPNetInfo:
    return LPNetInfo(
        id=row.id,
        target=row.target,
        version=row.version,
        epoch=row.epoch,
        active=row.active,
        seed=row.seed,
        network_mape_pct=row.network_mape_pct,
        weights_sha256=row.weights_sha256,
        batches=tuple(json.loads(row.batches_json)),
        created_at=row.created_at,
    )
