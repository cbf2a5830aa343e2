"""Fits that several kinds of latency model take as components, made once."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

from lpnet.model.header import Header
from lpnet_service.training.predictions import Predictions
from lpnet_service.training.records import RecordSet
from lpnet_service.training.trainer import Progress, Trainer


class SharedFits:
    """The fits to the last records. `reused_s` is the processor time that all fits took which were
    taken again."""

    def __init__(self) -> None:
        self.reused_s = 0.0
        self._records: RecordSet | None = None
        self._fits: dict[int, tuple[tuple[Any, Predictions], float]] = {}

    @contextmanager
    def within(self, trainer: Trainer[Any]) -> Iterator[None]:
        """In this context, components of the trainer are not fitted to the same records again."""
        with ExitStack() as stack:
            for part in trainers(trainer):
                if len(list(trainers(part))) == 1:
                    stack.enter_context(patch.object(part, "fit_crossed", self._once(part)))
            yield

    def _once(self, trainer: Trainer[Any]) -> Any:
        fit = trainer.fit_crossed

        def fit_crossed(
            records: RecordSet, header: Header, progress: Progress, *, quick: bool = False
        ) -> tuple[Any, Predictions]:
            if records is not self._records:
                self._records, self._fits = records, {}
            if id(trainer) in self._fits:
                fitted, seconds = self._fits[id(trainer)]
                self.reused_s += seconds
            else:
                started = time.process_time()
                fitted = fit(records, header, progress, quick=quick)
                self._fits[id(trainer)] = (fitted, time.process_time() - started)
            # A mixture may change what it is made of.
            return copy.deepcopy(fitted)

        return fit_crossed


def trainers(holder: object) -> Iterator[Trainer[Any]]:
    """A trainer, and those that it holds, each once."""
    return iter({id(trainer): trainer for trainer in _within(holder)}.values())


def _within(holder: object) -> Iterator[Trainer[Any]]:
    if isinstance(holder, Trainer):
        yield holder
        for value in vars(holder).values():
            yield from _within(value)
    elif isinstance(holder, dict):
        for value in holder.values():
            yield from _within(value)
