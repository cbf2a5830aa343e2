"""The trainers, by the kind of latency model that they train."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lpnet.errors import LpnetError
from lpnet.model.ensemble import Ensemble
from lpnet.model.mixture import Mixture
from lpnet.model.op_process import OpProcess
from lpnet_service.training.choice import AUTO, AutoTrainer
from lpnet_service.training.ensemble import EnsembleTrainer
from lpnet_service.training.mixture import MixtureTrainer
from lpnet_service.training.op_process import OpProcessTrainer
from lpnet_service.training.trainer import Trainer
from lpnet_service.training.transfer import Source, TransferTrainer

# The simplest first.
_SINGLE: dict[str, Trainer[Any]] = {
    OpProcess.kind: OpProcessTrainer(),
    Ensemble.kind: EnsembleTrainer(),
}
TRAINERS: dict[str, Trainer[Any]] = {
    **_SINGLE,
    Mixture.kind: MixtureTrainer(_SINGLE),
    AUTO: AutoTrainer(_SINGLE),
}


# What trainings and studies take, and what rough fits take, which need no choice.
TRAINED_KIND = AUTO
QUICK_KIND = Ensemble.kind


def trainer_of(kind: str, sources: Sequence[Source] = ()) -> Trainer[Any]:
    """A trainer that may begin with `sources`. Raises LpnetError for a kind without a trainer."""
    if kind not in TRAINERS:
        raise LpnetError(
            f"no trainer for latency models of kind {kind!r}; there are {', '.join(TRAINERS)}"
        )
    return TransferTrainer(TRAINERS[kind], sources) if sources else TRAINERS[kind]
