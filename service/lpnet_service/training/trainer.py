"""What the training of every kind of latency model offers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Generic, TypeVar

import numpy as np
import torch

from lpnet.model.base import LatencyModel
from lpnet.model.header import Header
from lpnet_service.training.crossing import cross_predictions
from lpnet_service.training.predictions import Predictions
from lpnet_service.training.records import RecordSet

__all__ = ["Predictions", "Progress", "Trainer"]

# Takes the share that is done, 0 to 1, and what is being done.
Progress = Callable[[float, str], None]
M = TypeVar("M", bound=LatencyModel)


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

    def fit_crossed(
        self, records: RecordSet, header: Header, progress: Progress, *, quick: bool = False
    ) -> tuple[M, Predictions]:
        """`fit`, and each record as a fit without its workload predicts it.

        These predictions are NaN where that fit does not cover the record, or where there are too
        few workloads. A subclass may override it with a faster method.
        """
        crossed = cross_predictions(
            self, records, header, lambda share, stage: progress(0.75 * share, stage), quick=quick
        )
        model = self.fit(
            records, header, lambda share, stage: progress(0.75 + 0.25 * share, stage), quick=quick
        )
        return model, crossed

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
