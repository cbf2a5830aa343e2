"""LPNets in memory, bound to what they predict. Here torch comes in, at the first prediction."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from lpnet_service import gc_freeze
from lpnet_service.db.rows import LPNetRow
from lpnet_service.services.learning import lpnets
from lpnet_service.services.shared import loaded_spaces
from lpnet_service.services.shared.context import Context

if TYPE_CHECKING:
    from lpnet.model.lpnet import LPNet
    from lpnet.predictor.predictor import Predictor


def lpnet(ctx: Context, id_: str) -> LPNet:
    """An LPNet by its id. NotFound."""

    def load() -> LPNet:
        is_first = "torch" not in sys.modules
        import torch

        from lpnet.model.files import load as load_

        if is_first:
            gc_freeze.freeze_loaded_objects()
        # Requests run on many threads already, and the device may be this machine.
        torch.set_num_threads(ctx.settings.torch_threads)
        return load_(lpnets.weights(ctx, id_))

    found: LPNet = ctx.models.get(id_, load)
    return found


def predictor(ctx: Context, row: LPNetRow, space: str, block: str | None, batch: int) -> Predictor:
    """An LPNet bound to a space, or to a block of it, at a batch size.

    Raises NotFound for an unknown space, lpnet.errors.NotCovered for one that it does not cover.
    """

    def bind() -> Predictor:
        from lpnet.predictor.predictor import Predictor

        whole = loaded_spaces.load_space(ctx, space).space
        part = whole if block is None else whole.block(block)
        return Predictor(lpnet(ctx, row.id), part, batch)

    found: Predictor = ctx.predictors.get((row.id, space, block, batch), bind)
    return found
