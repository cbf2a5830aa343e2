"""LPNets: published by the worker, listed and given out."""

from __future__ import annotations

import json
from dataclasses import dataclass

from lpnet.schemas.lpnet import LPNetInfo
from lpnet.schemas.report import NOISE_UNKNOWN, Report
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
    """Another version became active while this one was compared with the one before."""


@dataclass(frozen=True)
class ActivationDecision:
    """Whether a new LPNet takes over from `rival`, the id of the one in use; None: none was."""

    rival: str | None
    takes_over: bool


def of_target(ctx: Context, target: str) -> list[LPNetInfo]:
    """Versions of a target's LPNet, newest first. NotFound for an unknown target."""
    with ctx.db.read() as session:
        require_target(session, target)
        return [_wire(row) for row in LPNetRepository(session).versions(target)]


def get(ctx: Context, id_: str) -> LPNetInfo:
    """One LPNet. NotFound where there is none of that id."""
    return _wire(row(ctx, id_))


def report(ctx: Context, id_: str) -> Report:
    """How good an LPNet was when it was trained. NotFound."""
    return Report.model_validate_json(row(ctx, id_).report_json)


def weights_sha256(ctx: Context, id_: str) -> str:
    """What its weights are known by. NotFound."""
    return row(ctx, id_).weights_sha256


def weights(ctx: Context, id_: str) -> bytes:
    """The safetensors file of an LPNet. NotFound, NoArtifact."""
    return artifacts.read(ctx, weights_sha256(ctx, id_))


def row(ctx: Context, id_: str) -> LPNetRow:
    """The row of an LPNet. NotFound."""
    with ctx.db.read() as session:
        found_ = LPNetRepository(session).get(id_)
    if found_ is None:
        raise NotFound("LPNet", id_)
    return found_


def active(ctx: Context, target: str) -> str | None:
    """The id of the LPNet that answers for a target; None where there is none."""
    with ctx.db.read() as session:
        row = LPNetRepository(session).active(target)
    return row.id if row else None


def publish(
    ctx: Context,
    run: ClaimedRun,
    content: bytes,
    report: Report,
    verdict: ActivationDecision,
    *,
    epoch: int,
    seed: int,
    batches: tuple[int, ...],
) -> LPNetInfo:
    """Keep a trained LPNet as its target's next version, and end the run that made it.

    It becomes the active one as the verdict says, unless its epoch is over by now. Nothing is kept
    where this raises LeaseLost (the run was cancelled or taken over), ActiveVersionChanged (the verdict is
    about a version that is not in use any more) or NoArtifact (its file cannot be kept).
    """
    sha256 = artifacts.keep(ctx, content)
    now, id_ = ctx.clock.now(), new_id("lpnet")
    with ctx.db.write() as session:
        # Two trainings of a target take turns here, so that versions are counted without gaps.
        target = DeviceRepository(session).lock_target(run.target)
        assert target is not None
        held = runs.lock_claimed(session, run)
        old = LPNetRepository(session).active(run.target)
        if verdict.rival != (old.id if old else None):
            raise ActiveVersionChanged
        takes_over = old is None or (verdict.takes_over and target.epoch == epoch)
        if takes_over:
            LPNetRepository(session).deactivate(run.target)
        row = LPNetRow(
            id=id_,
            target=run.target,
            version=LPNetRepository(session).next_version(run.target),
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
        runs.finish(session, ctx, held, Report.model_validate_json(row.report_json), id_)
    return _wire(row)


def _network_mape(report: Report) -> float | None:
    return report.held_out.network.mape_pct if report.held_out.network else None


def _wire(row: LPNetRow) -> LPNetInfo:
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
