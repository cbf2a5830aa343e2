"""LPNets: published by the worker, listed, downloaded."""

from __future__ import annotations

import json
from dataclasses import dataclass

from lpnet.schemas.lpnet import LPNetInfo
from lpnet.schemas.report import NOISE_UNKNOWN, Report
from lpnet_service.db.retrying import retried
from lpnet_service.db.rows import LPNetRow
from lpnet_service.errors import NotFound
from lpnet_service.ids import new_id
from lpnet_service.repositories.devices import DeviceRepository
from lpnet_service.repositories.lpnets import LPNetRepository
from lpnet_service.services.learning import runs
from lpnet_service.services.learning.runs import ClaimedRun
from lpnet_service.services.shared import artifacts
from lpnet_service.services.shared.context import Context
from lpnet_service.services.shared.targets import require_target


class ActiveVersionChanged(Exception):
    """Another version became active since the decision was made."""


@dataclass(frozen=True)
class ActivationDecision:
    """Whether a new LPNet replaces `active`, the id of the active one (None: there was none)."""

    active: str | None
    takes_over: bool


def of_target(ctx: Context, target: str) -> list[LPNetInfo]:
    with ctx.db.read() as session:
        require_target(session, target)
        return [_info(row) for row in LPNetRepository(session).versions(target)]


def get(ctx: Context, id_: str) -> LPNetInfo:
    return _info(require_lpnet(ctx, id_))


def report(ctx: Context, id_: str) -> Report:
    return Report.model_validate_json(require_lpnet(ctx, id_).report_json)


def weights_sha256(ctx: Context, id_: str) -> str:
    return require_lpnet(ctx, id_).weights_sha256


def weights(ctx: Context, id_: str) -> bytes:
    """The safetensors file of an LPNet. Raises NoArtifact."""
    return artifacts.read(ctx, weights_sha256(ctx, id_))


def require_lpnet(ctx: Context, id_: str) -> LPNetRow:
    with ctx.db.read() as session:
        row = LPNetRepository(session).get(id_)
    if row is None:
        raise NotFound("LPNet", id_)
    return row


def active(ctx: Context, target: str) -> str | None:
    with ctx.db.read() as session:
        row = LPNetRepository(session).active(target)
    return row.id if row else None


@retried
def activate(ctx: Context, id_: str) -> LPNetInfo:
    """Make a version the active one of its target."""
    target = require_lpnet(ctx, id_).target
    with ctx.db.write() as session:
        versions = LPNetRepository(session)
        # So that a training that ends at the same time comes before or after.
        DeviceRepository(session).lock_target(target)
        versions.deactivate(target)
        row = versions.get(id_)
        if row is None:
            raise NotFound("LPNet", id_)
        row.active = True
        session.flush()
        return _info(row)


@retried
def publish(
    ctx: Context,
    run: ClaimedRun,
    content: bytes,
    report: Report,
    decision: ActivationDecision,
    *,
    epoch: int,
    seed: int,
    batches: tuple[int, ...],
) -> LPNetInfo:
    """Store a trained LPNet as the next version of its target, and end its training run.

    It becomes active as decided, unless its epoch has been superseded. Nothing is stored if this
    raises LeaseLost (the run was cancelled or taken over), ActiveVersionChanged (the decision
    compares with a version that is no longer active) or NoArtifact (the file cannot be written).
    """
    sha256 = artifacts.keep(ctx, content)
    now, id_ = ctx.clock.now(), new_id("lpnet")
    with ctx.db.write() as session:
        versions = LPNetRepository(session)
        # The lock makes trainings of a target take turns, so that versions have no gaps.
        target = DeviceRepository(session).lock_target(run.target)
        assert target is not None
        claimed = runs.lock_claimed(session, run)
        old = versions.active(run.target)
        if decision.active != (old.id if old else None):
            raise ActiveVersionChanged
        takes_over = old is None or (decision.takes_over and target.epoch == epoch)
        if takes_over:
            versions.deactivate(run.target)
        row = LPNetRow(
            id=id_,
            target=run.target,
            version=versions.next_version(run.target),
            epoch=epoch,
            active=takes_over,
            seed=seed,
            network_mape_pct=_network_mape(report),
            batches_json=json.dumps(batches),
            weights_sha256=sha256,
            report_json=report.model_copy(update={"lpnet": id_}).model_dump_json(),
            created_at=now,
        )
        session.add(row)
        session.flush()
        runs.finish(session, ctx, claimed, Report.model_validate_json(row.report_json), id_)
    return _info(row)


def _network_mape(report: Report) -> float | None:
    return report.held_out.network.mape_pct if report.held_out.network else None


def _info(row: LPNetRow) -> LPNetInfo:
    report = Report.model_validate_json(row.report_json)
    noise = report.noise_floor_pct
    return LPNetInfo(
        id=row.id,
        target=row.target,
        version=row.version,
        epoch=row.epoch,
        active=row.active,
        seed=row.seed,
        network_mape_pct=row.network_mape_pct,
        noise_floor_pct=noise,
        noise_floor_reason=NOISE_UNKNOWN if noise is None else None,
        weights_sha256=row.weights_sha256,
        batches=tuple(json.loads(row.batches_json)),
        created_at=row.created_at,
    )
