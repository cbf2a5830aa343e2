"""LPNets: versions, weights, reports, and starting trainings and studies."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Query, Response

from lpnet.schemas.learning import LearningCurve
from lpnet.schemas.lpnet import LPNetInfo, LPNetList, NewStudy, NewTraining, Training
from lpnet.schemas.report import Report
from lpnet.schemas.residual import Residuals
from lpnet_service.api.access import Lister, Reader, ResultReader, Trainer
from lpnet_service.api.deps import Ctx, Id, StrictRoute, TargetName, limit
from lpnet_service.api.etags import OCTETS, matches
from lpnet_service.api.problems import problems
from lpnet_service.services.learning import lpnets, trainings
from lpnet_service.services.reading import learning_curve, residuals

router = APIRouter(prefix="/v1", tags=["lpnets"], route_class=StrictRoute)


@router.get("/targets/{name}/lpnets", responses=problems(404, 422))
def list_lpnets(ctx: Ctx, caller: Lister, name: TargetName) -> LPNetList:
    """Versions of a target's LPNet, newest first."""
    return LPNetList(items=tuple(lpnets.of_target(ctx, name)))


@router.post("/targets/{name}/lpnets", status_code=202, responses=problems(404, 409, 413, 422))
def start_training(
    ctx: Ctx, caller: Trainer, name: TargetName, new: NewTraining, response: Response
) -> Training:
    """Train a new version on all samples of the target's epoch; follow it at `Location`."""
    return _with_location(response, trainings.start(ctx, name, new))


@router.get("/targets/{name}/studies", responses=problems(404, 422))
def get_learning_curve(ctx: Ctx, caller: ResultReader, name: TargetName) -> LearningCurve:
    """Finished studies and versions of the current epoch, oldest first, with held-out errors."""
    return learning_curve.curve(ctx, name)


@router.post("/targets/{name}/studies", status_code=202, responses=problems(404, 409, 413, 422))
def start_study(
    ctx: Ctx, caller: Trainer, name: TargetName, new: NewStudy, response: Response
) -> Training:
    """Train on a part of the samples and test on the others. Follow it at `Location`."""
    return _with_location(response, trainings.study(ctx, name, new))


def _with_location(response: Response, training: Training) -> Training:
    response.headers["Location"] = f"/v1/trainings/{training.id}"
    return training


@router.get("/lpnets/{id}", responses=problems(404, 422))
def get_lpnet(ctx: Ctx, caller: Lister, id: Id) -> LPNetInfo:
    """A version."""
    return lpnets.get(ctx, id)


@router.post("/lpnets/{id}/activate", responses=problems(404, 422))
def activate_lpnet(ctx: Ctx, caller: Trainer, id: Id) -> LPNetInfo:
    """Use a version from now on, in place of the active one of its target.

    Repeating it is harmless. The next training activates its version unless that is worse.
    """
    return lpnets.activate(ctx, id)


@router.get("/lpnets/{id}/report", responses=problems(404, 422))
def get_report(ctx: Ctx, caller: ResultReader, id: Id) -> Report:
    """The errors of a version and of the baselines after its training."""
    return lpnets.report(ctx, id)


@router.get("/lpnets/{id}/residuals", responses=problems(404, 422, 503))
def get_residuals(
    ctx: Ctx,
    caller: Reader,
    id: Id,
    sort: Annotated[
        residuals.Sort, Query(description="by error, worst first, or by measured latency")
    ] = "error",
    limit: Annotated[
        int, limit(residuals.MAX_WORKLOADS, residuals.MAX_WORKLOADS)
    ] = residuals.MAX_WORKLOADS,
) -> Residuals:
    """Held-out workloads of its epoch with errors, also by op and by latency."""
    return residuals.residuals(ctx, id, sort=sort, limit=limit)


@router.get(
    "/lpnets/{id}/weights",
    response_class=Response,
    responses=problems(404, 422, 503) | OCTETS,
)
def get_weights(
    ctx: Ctx,
    caller: Reader,
    id: Id,
    if_none_match: Annotated[
        str | None, Header(description="entity tag of weights that the client has")
    ] = None,
) -> Response:
    """The weights as a safetensors file."""
    sha256 = lpnets.weights_sha256(ctx, id)
    headers = {"ETag": f'"{sha256}"'}
    if matches(if_none_match, sha256):
        return Response(status_code=304, headers=headers)
    content = lpnets.weights(ctx, id)
    return Response(content, headers=headers, media_type="application/octet-stream")
