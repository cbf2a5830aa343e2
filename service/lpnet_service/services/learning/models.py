"""LPNets in memory, bound to what they predict. Torch is imported at the first prediction."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from lpnet_service import gc_freeze
from lpnet_service.db.rows import LPNetRow
from lpnet_service.services.learning import lpnets
from lpnet_service.services.shared import loaded_spaces
from lpnet_service.services.shared.context import Context

if TYPE_CHECKING:
    from lpnet.model.base import LatencyModel
    from lpnet.predictor.predictor import Predictor


def lpnet(ctx: Context, id_: str) -> LatencyModel:
    def load() -> LatencyModel:
        is_first = "torch" not in sys.modules
        import torch

        from lpnet.model.files import load as load_lpnet

        if is_first:
            gc_freeze.freeze_loaded_objects()
        # Requests run on many threads already, and this machine may be a measured device.
        torch.set_num_threads(ctx.settings.torch_threads)
        return load_lpnet(lpnets.weights(ctx, id_))

    model: LatencyModel = ctx.models.get(id_, load)
    return model


def predictor(ctx: Context, row: LPNetRow, space: str, block: str | None, batch: int) -> Predictor:
    """An LPNet bound to a space, or to one of its blocks, at a batch size.

    Raises lpnet.errors.NotCovered for a space that the LPNet does not cover.
    """

    def bind() -> Predictor:
        from lpnet.predictor.predictor import Predictor

        network = loaded_spaces.load_space(ctx, space).space
        part = network if block is None else network.block(block)
        return Predictor(lpnet(ctx, row.id), part, batch)

    bound: Predictor = ctx.predictors.get((row.id, space, block, batch), bind)
    return bound
