"""What the training of every kind of latency model offers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
import torch

from lpnet.model.base import LatencyModel
from lpnet.model.header import Header
from lpnet_service.training.records import RecordSet, Vector

# Takes the share that is done, 0 to 1, and what is being done.
Progress = Callable[[float, str], None]
M = TypeVar("M", bound=LatencyModel)


@dataclass(frozen=True)
class Predictions:
    """Latencies `ms` (N,) of N records, and their relative `spread` (N,)."""

    ms: Vector
    spread: Vector


class Trainer(ABC, Generic[M]):
    """Trains latency models of one kind."""

    @abstractmethod
    def fit(
        self, records: RecordSet, header: Header, progress: Progress, *, quick: bool = False
    ) -> M:
        """A fitted and calibrated model; deterministic by `header.seed`.

        `header` has the facts that all kinds share; the model's own adds `base_spread`,
        `calibration` and the fields of its kind. `quick`: a rough fit in a few seconds.
        """

    def predict(self, model: M, records: RecordSet) -> Predictions:
        """Latency and spread of records that the model covers, each bound separately.

        A subclass may override it with a faster method.
        """
        no_widths = torch.zeros(0)
        with torch.no_grad():
            bound = [model.bind(record.table, record.batch) for record in records.records]
            return Predictions(
                ms=np.array([float(b(no_widths)) for b in bound]),
                spread=np.array([float(b.spread(no_widths)) for b in bound]),
            )
