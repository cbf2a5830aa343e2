"""The learning curve of a target: the errors of finished studies and of its versions."""

from __future__ import annotations

from typing import Any

from lpnet.schemas.learning import LearningCurve, LearningPoint
from lpnet.schemas.report import Report
from lpnet_service.repositories.lpnets import LPNetRepository
from lpnet_service.repositories.runs import RunRepository
from lpnet_service.services.shared.context import Context
from lpnet_service.services.shared.targets import require_target

_MAX_POINTS = 500
_REPORT_FIELDS = (
    *("seed", "trained_on", "noise_floor_pct", "held_out", "baselines"),
    *("interval", "calibration"),
)


def curve(ctx: Context, target: str) -> LearningCurve:
    with ctx.db.read() as session:
        epoch = require_target(session, target).epoch
        versions = LPNetRepository(session).versions(target)
        studies = RunRepository(session).studies(target, _MAX_POINTS)
    points = []
    for version in versions[:_MAX_POINTS]:
        if version.epoch == epoch:
            columns = {
                "kind": "version",
                "id": version.id,
                "version": version.version,
                "active": version.active,
                "finished_at": version.created_at,
            }
            points.append(_point(Report.model_validate_json(version.report_json), columns))
    for study in studies:
        report = Report.model_validate_json(study.report_json or "")
        if report.epoch == epoch:
            columns = {
                "kind": "study",
                "id": study.id,
                "version": None,
                "active": False,
                "finished_at": study.finished_at,
            }
            points.append(_point(report, columns))
    points.sort(key=lambda point: (point.finished_at, point.id))
    return LearningCurve(target=target, epoch=epoch, points=tuple(points))


def _point(report: Report, columns: dict[str, Any]) -> LearningPoint:
    fields = {name: getattr(report, name) for name in _REPORT_FIELDS}
    return LearningPoint.model_validate(columns | fields)
