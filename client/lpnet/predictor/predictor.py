"""The predictor: an LPNet bound to a space. Widths in, milliseconds out."""

from __future__ import annotations

import hashlib
from functools import cached_property
from pathlib import Path
from typing import Self

import torch
from torch import Tensor

from lpnet.model import files
from lpnet.model.lpnet import LPNet
from lpnet.predictor.base import AnyPredictor
from lpnet.predictor.breakdown import parts_ms
from lpnet.predictor.line import Line, line
from lpnet.predictor.width_checks import WidthsLike
from lpnet.search.envelope import Envelope
from lpnet.search.fast_widths import legal
from lpnet.search.memory import Room, Rooms
from lpnet.search.price_tables import tabulate
from lpnet.search.prices import Repricer
from lpnet.search.threads import one_thread
from lpnet.space.memory import MemoryNeed
from lpnet.space.space import Space


class Predictor(AnyPredictor):
    """Latency in ms of a space on a target, at any widths; runs locally, and differentiably.

    AnyPredictor says what widths are. Raises NotCovered where the LPNet has not seen an op of the
    space, or the batch size, on its target.
    """

    def __init__(self, lpnet: LPNet, space: Space, batch: int | None = None) -> None:
        space = space if batch is None else space.at(batch=batch)
        bound = lpnet.bind(space.table, space.batch)
        super().__init__(space, lpnet.header.target, next(bound.buffers()).device)
        self.bound = bound
        # In a tuple: an optimiser of the user's own network must not find these parameters.
        self._source = (lpnet,)

    @classmethod
    def load(cls, file: str | Path | bytes, space: Space, batch: int | None = None) -> Self:
        """Of an LPNet's file, or of its bytes. Raises FileFormatError, NotCovered."""
        return cls(files.load(file) if isinstance(file, bytes) else files.read(file), space, batch)

    @property
    def lpnet(self) -> LPNet:
        """The LPNet it was made from."""
        return self._source[0]

    @property
    def fingerprint(self) -> str:
        """Of the LPNet's weights, as SHA-256 in hexadecimal."""
        digest = hashlib.sha256()
        for name, value in sorted(self.lpnet.state_dict().items()):
            digest.update(name.encode() + value.detach().cpu().numpy().tobytes())
        return digest.hexdigest()

    def at(self, batch: int) -> Predictor:
        """The same LPNet and space at another batch size. Raises NotCovered."""
        return Predictor(self.lpnet, self.space, batch)

    def interval(self, widths: WidthsLike, coverage: float = 0.9) -> tuple[Tensor, Tensor]:
        """Low and high in ms, shaped as forward's; a share `coverage` of measurements falls in.

        Raises ValueError for a coverage not between 0 and 1, LpnetError where the LPNet was never
        calibrated.
        """
        factor = self.bound.quantile(coverage, self.kind)
        ms = self(widths)
        apart = torch.exp(factor * self._checked(widths, self.bound.spread))
        return ms / apart, ms * apart

    def breakdown(self, widths: WidthsLike) -> Tensor:
        """Where the time goes: ms of each of the space's blocks in order, then of the edges (input
        and output) and of the call. Widths (B, L) to (B, blocks + 2), or (L,) to (blocks + 2,);
        the parts add up to forward. Raises WidthsError."""
        return self._checked(widths, lambda found: parts_ms(self.bound, self.space, found))

    @one_thread()
    def line(self, name: str, at: WidthsLike | None = None, coverage: float = 0.9) -> Line:
        """Latency at every legal value of a width, with intervals, and which values are fast; the
        others are as in `at` (L,), by default at their max.

        Raises WidthsError for an unknown name or widths out of range, ValueError for a coverage
        not between 0 and 1, LpnetError where the LPNet was never calibrated.
        """
        place = self._place(name)
        base = self.high if at is None else self._one(at)
        factor = self.bound.quantile(coverage, self.kind)
        values = legal(self.space.widths[place]).to(base.device)
        return line(self.bound, self._pricer, base, place, values, factor)

    def _ms(self, widths: Tensor) -> Tensor:
        ms: Tensor = self.bound(widths)
        return ms

    def _envelope_ms(self, widths: Tensor) -> Tensor:
        ms: Tensor = self._envelope(widths)
        return ms

    @cached_property
    def rooms(self) -> Rooms:
        need, header = MemoryNeed(self.space.table), self.lpnet.header
        return Rooms([Room(self.target, need, self.batch, header.memory)])

    @cached_property
    def _pricer(self) -> Repricer:
        return Repricer(self.bound, self.low.device)

    @cached_property
    def _envelope(self) -> Envelope:
        with one_thread():
            axes, tables = tabulate(self._pricer, self.high, self._fast)
        return Envelope(axes, tables, len(self.widths)).to(self.low.device)
