"""The learning curve of a target: finished studies and versions, with what they learned from."""

from __future__ import annotations

from typing import Any

from lpnet.schemas.learning import LearningCurve, LearningPoint
from lpnet.schemas.report import Report
from lpnet_service.repositories.lpnets import LPNetRepository
from lpnet_service.repositories.runs import RunRepository
from lpnet_service.services.shared.context import Context
from lpnet_service.services.shared.targets import require_target

_MOST = 500


def curve(ctx: Context, target: str) -> LearningCurve:
    """Of the target's current epoch, oldest first. NotFound for an unknown target."""
    with ctx.db.read() as session:
        epoch = require_target(session, target).epoch
        versions = LPNetRepository(session).versions(target)
        studies = RunRepository(session).studies(target, _MOST)
    points = [
        _point(
            Report.model_validate_json(row.report_json),
            {
                "kind": "version",
                "id": row.id,
                "version": row.version,
                "active": row.active,
                "finished_at": row.created_at,
            },
        )
        for row in versions[:_MOST]
        if row.epoch == epoch
    ]
    for run in studies:
        report = Report.model_validate_json(run.report_json or "")
        if report.epoch == epoch:
            said = {"kind": "study", "id": run.id, "version": None, "active": False}
            points.append(_point(report, said | {"finished_at": run.finished_at}))
    ordered = sorted(points, key=lambda point: (point.finished_at, point.id))
    return LearningCurve(target=target, epoch=epoch, points=tuple(ordered))


def _point(report: Report, said: dict[str, Any]) -> LearningPoint:
    same = ("seed", "trained_on", "noise_floor_pct", "held_out", "baselines")
    figures = {name: getattr(report, name) for name in (*same, "interval", "calibration")}
    return LearningPoint.model_validate(said | figures)
