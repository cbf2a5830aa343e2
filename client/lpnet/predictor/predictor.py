"""The predictor: a latency model bound to a space. Widths in, milliseconds out."""

from __future__ import annotations

import hashlib
from functools import cached_property
from pathlib import Path
from typing import Self

import torch
from torch import Tensor

from lpnet.model import files
from lpnet.model.base import LatencyModel
from lpnet.predictor.breakdown import parts_ms
from lpnet.predictor.line import Line, line
from lpnet.predictor.searching import SearchingPredictor
from lpnet.predictor.width_checks import WidthsLike
from lpnet.search.envelope import Envelope
from lpnet.search.fast_widths import legal_values
from lpnet.search.kernel_tables import tabulate
from lpnet.search.memory import TargetMemories, TargetMemory
from lpnet.search.prices import KernelPricer
from lpnet.search.threads import one_thread
from lpnet.space.memory import MemoryNeed
from lpnet.space.space import Space


class Predictor(SearchingPredictor):
    """Latency in ms of a space on a target, at any widths. Runs locally; differentiable.

    See BasePredictor for the forms that widths take. Raises NotCovered if the LPNet was not
    trained on an op of the space, or on the batch size.
    """

    def __init__(self, lpnet: LatencyModel, space: Space, batch: int | None = None) -> None:
        space = space if batch is None else space.at(batch=batch)
        bound = lpnet.bind(space.table, space.batch)
        super().__init__(space, lpnet.header.target, next(bound.buffers()).device)
        self.bound = bound
        # In a tuple: an optimiser of the user's own network must not find these parameters.
        self._source = (lpnet,)

    @classmethod
    def load(cls, file: str | Path | bytes, space: Space, batch: int | None = None) -> Self:
        """Predict with an LPNet's file, or its bytes. Raises FileFormatError, NotCovered."""
        return cls(files.load(file) if isinstance(file, bytes) else files.read(file), space, batch)

    @property
    def lpnet(self) -> LatencyModel:
        """The latency model that it predicts with."""
        return self._source[0]

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the LPNet's tensors, in hexadecimal."""
        digest = hashlib.sha256()
        for name, value in sorted(self.lpnet.state_dict().items()):
            digest.update(name.encode() + value.detach().cpu().numpy().tobytes())
        return digest.hexdigest()

    def at(self, batch: int) -> Self:
        """The same LPNet and space at another batch size. Raises NotCovered."""
        return type(self)(self.lpnet, self.space, batch)

    def interval(self, widths: WidthsLike, coverage: float = 0.9) -> tuple[Tensor, Tensor]:
        """Low and high in ms, shaped as in forward. The share `coverage` of measurements lies in
        between.

        Raises ValueError for a coverage not between 0 and 1, LpnetError if the LPNet was never
        calibrated.
        """
        factor = self.bound.quantile(coverage, self.kind)
        ms = self(widths)
        ratio = torch.exp(factor * self._checked(widths, self.bound.spread))
        return ms / ratio, ms * ratio

    def breakdown(self, widths: WidthsLike) -> Tensor:
        """Milliseconds of each block of the space in order, then of the edges (input and output)
        and of the call.

        Widths (B, L) to (B, blocks + 2), or (L,) to (blocks + 2,); the parts add up to forward.
        Raises WidthsError.
        """
        return self._checked(widths, lambda tensor: parts_ms(self.bound, self.space, tensor))

    @one_thread()
    def line(self, name: str, at: WidthsLike | None = None, coverage: float = 0.9) -> Line:
        """Latency at every legal value of a width, with intervals, and which values are fast. The
        other widths are as in `at` (L,), by default at their max.

        Raises WidthsError for an unknown name or widths out of range, ValueError for a coverage
        not between 0 and 1, LpnetError if the LPNet was never calibrated.
        """
        index = self._index(name)
        base = self.high if at is None else self._vector(at)
        factor = self.bound.quantile(coverage, self.kind)
        values = legal_values(self.space.widths[index]).to(base.device)
        return line(self.bound, self._pricer, base, index, values, factor)

    def _ms(self, widths: Tensor) -> Tensor:
        ms: Tensor = self.bound(widths)
        return ms

    def _envelope_ms(self, widths: Tensor) -> Tensor:
        ms: Tensor = self._envelope(widths)
        return ms

    @cached_property
    def memories(self) -> TargetMemories:
        need, header = MemoryNeed(self.space.table), self.lpnet.header
        return TargetMemories([TargetMemory(self.target, need, self.batch, header.memory)])

    @cached_property
    def _pricer(self) -> KernelPricer:
        return KernelPricer(self.bound, self.low.device)

    @cached_property
    def _envelope(self) -> Envelope:
        with one_thread():
            axes, tables = tabulate(self._pricer, self.high, self._search.fast)
        return Envelope(axes, tables, len(self.widths)).to(self.low.device)
