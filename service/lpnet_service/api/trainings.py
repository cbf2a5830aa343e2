"""Trainings and studies: progress and cancelling."""

from __future__ import annotations

from fastapi import APIRouter

from lpnet.schemas.lpnet import Training
from lpnet_service.api.access import Trainer
from lpnet_service.api.deps import Ctx, Id
from lpnet_service.api.problems import problems
from lpnet_service.services.learning import trainings
from lpnet_service.services.upkeep import sweeping

router = APIRouter(prefix="/v1/trainings", tags=["trainings"], responses=problems(404, 422))


@router.get("/{id}")
def get_training(ctx: Ctx, caller: Trainer, id: Id) -> Training:
    """A training or study, its progress and its result."""
    sweeping.sweep(ctx)
    return trainings.get(ctx, id)


@router.post("/{id}/cancel")
def cancel_training(ctx: Ctx, caller: Trainer, id: Id) -> Training:
    """Cancel a training or study. A run that has ended does not change."""
    return trainings.cancel(ctx, id)
