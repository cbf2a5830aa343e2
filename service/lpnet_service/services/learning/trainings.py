"""Trainings and studies as users see them: requested, followed, cancelled."""

from __future__ import annotations

from lpnet.logs import fields
from lpnet.schemas.lpnet import NewStudy, NewTraining, Training
from lpnet.schemas.problem import FieldError
from lpnet.schemas.report import Report
from lpnet_service.db.retrying import retried
from lpnet_service.db.rows import RunRow
from lpnet_service.errors import BadRequest, NoSamples, NotFound
from lpnet_service.ids import new_id
from lpnet_service.repositories.runs import RunRepository
from lpnet_service.repositories.samples import SampleRepository
from lpnet_service.services.shared.context import Context
from lpnet_service.services.shared.targets import require_target

_VISIBLE_KINDS = ("training", "study")


def start(ctx: Context, target: str, new: NewTraining) -> Training:
    """Queue a training. Raises NoSamples if the target has none."""
    return _queue(ctx, target, "training", new)


def study(ctx: Context, target: str, new: NewStudy) -> Training:
    """Queue a study.

    Raises NoSamples if the target has none, BadRequest if so many training samples would leave no
    workload to test on.
    """
    return _queue(ctx, target, "study", new)


@retried
def _queue(ctx: Context, target: str, kind: str, new: NewTraining | NewStudy) -> Training:
    now = ctx.clock.now()
    row = RunRow(
        id=new_id("run"),
        kind=kind,
        target=target,
        params_json=new.model_dump_json(),
        state="queued",
        progress=0.0,
        available_at=now,
        created_at=now,
    )
    fields.bind(run=row.id)
    with ctx.db.write() as session:
        epoch = require_target(session, target).epoch
        workloads = SampleRepository(session).count_trainable_workloads(target, epoch)
        if not workloads:
            raise NoSamples(f"target {target!r} has no undisturbed samples in epoch {epoch}")
        if isinstance(new, NewStudy):
            _check_study(new.samples, workloads, target)
        session.add(row)
    return _training(row)


def _check_study(samples: int, workloads: int, target: str) -> None:
    if samples >= workloads:
        reason = (
            f"a study on {samples} samples needs more workloads, to test on the others; target "
            f"{target!r} has {workloads}"
        )
        raise BadRequest(reason, [FieldError(field="samples", reason=reason)])


def get(ctx: Context, id_: str) -> Training:
    with ctx.db.read() as session:
        row = RunRepository(session).get(id_)
    if row is None or row.kind not in _VISIBLE_KINDS:
        raise NotFound("training", id_)
    return _training(row)


@retried
def cancel(ctx: Context, id_: str) -> Training:
    """Cancel a training or study; the worker notices within about a second.

    A run that has ended does not change.
    """
    with ctx.db.write() as session:
        row = RunRepository(session).lock(id_)
        if row is None or row.kind not in _VISIBLE_KINDS:
            raise NotFound("training", id_)
        if row.state in ("queued", "running"):
            row.end("cancelled", now=ctx.clock.now())
    return _training(row)


def _training(row: RunRow) -> Training:
    return Training.model_validate(
        {
            "id": row.id,
            "target": row.target,
            "kind": row.kind,
            "state": row.state,
            "progress": row.progress,
            "stage": row.stage,
            "error": row.error,
            "lpnet": row.lpnet,
            "report": Report.model_validate_json(row.report_json) if row.report_json else None,
            "created_at": row.created_at,
            "finished_at": row.finished_at,
        }
    )
