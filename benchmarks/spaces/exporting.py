"""Exporting as a user does, and watching the exports that lpnet makes."""

from __future__ import annotations

import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any

import onnx
import torch
from torch import nn

from benchmarks.spaces.networks import Example


class Exports:
    """Counts calls of torch.onnx.export, and their seconds, in a with statement."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.succeeded = False

    def __enter__(self) -> Exports:
        self._export = torch.onnx.export
        torch.onnx.export = self._timed
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        torch.onnx.export = self._export

    def _timed(self, *args: Any, **kwargs: Any) -> Any:
        start = time.monotonic()
        try:
            program = self._export(*args, **kwargs)
            self.succeeded = True
            return program
        finally:
            self.seconds += time.monotonic() - start


def export(model: nn.Module, example: Example) -> onnx.ModelProto:
    """The model as torch exports it by default."""
    named = dict(example) if isinstance(example, Mapping) else {}
    with torch.no_grad():
        program = torch.onnx.export(
            model, () if named else (example,), kwargs=named, dynamo=True, verbose=False
        )
    assert program is not None
    proto: onnx.ModelProto = program.model_proto
    return proto
