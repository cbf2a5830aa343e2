"""A small network, and an LPNet trained on latencies with steps of 16 channels (a comb)."""

from __future__ import annotations

import copy

import numpy as np
import torch
from torch import Tensor, nn

from lpnet.model.ensemble import Ensemble, EnsembleHeader
from lpnet.model.features import features_of, required_static, with_first_static
from lpnet.model.header import Calibration
from lpnet.model.kernel_tensors import KernelTensors
from lpnet.model.kernels import coverage
from lpnet.predictor.predictor import Predictor
from lpnet.space.sampling import draw_widths
from lpnet.space.space import Space
from lpnet.space.table import OpTable


class _Residual(nn.Module):
    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.expand = nn.Conv2d(channels, hidden, 1)
        self.depthwise = nn.Conv2d(hidden, hidden, 3, padding=1, groups=hidden)
        self.project = nn.Conv2d(hidden, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        inside = torch.relu(self.depthwise(torch.relu(self.expand(x))))
        out: Tensor = x + self.project(inside)
        return out


def network() -> nn.Sequential:
    """Convs, two inverted residuals and a linear layer, for inputs of 64 x 64 pixels."""
    return nn.Sequential(
        nn.Conv2d(3, 32, 3, stride=2, padding=1),
        nn.ReLU(),
        _Residual(32, 96),
        nn.Conv2d(32, 64, 3, stride=2, padding=1),
        nn.ReLU(),
        _Residual(64, 128),
        nn.Conv2d(64, 144, 1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(144, 10),
    )


def comb_ms(table: OpTable, step: int = 16) -> float:
    """Milliseconds of a table without widths: dense convs pad to `step` channels on both sides,
    depthwise ones take three times as long off a multiple of it, all else moves bytes."""
    total = 0.02
    for row, c_in, c_out, groups in zip(
        table.rows, table.b_in, table.b_out, table.b_g, strict=True
    ):
        pixels, area = row.h_out * row.w_out, row.kernel[0] * row.kernel[1]
        if row.type not in ("conv2d", "linear"):
            total += 1e-6 * c_out * pixels
        elif groups > 1:
            total += 2e-6 * pixels * area * c_out * (1.0 if c_out % step == 0 else 3.0)
        else:
            padded = step**2 * np.ceil(c_in / step) * np.ceil(c_out / step)
            total += 1e-7 * pixels * area * padded
    return float(total)


_TAUGHT: dict[tuple[str, int], Ensemble] = {}


def taught_on(space: Space, step: int = 16) -> Ensemble:
    """Taught on 300 blocks and 60 networks whose latencies follow the comb exactly, once in a
    process."""
    key = space.hash, step
    if key not in _TAUGHT:
        _TAUGHT[key] = _taught_on(space, step)
    return copy.deepcopy(_TAUGHT[key])


def predictor() -> Predictor:
    """An LPNet taught on the comb, bound to the space of `network`."""
    torch.manual_seed(0)
    space = Space.from_model(network(), torch.randn(1, 3, 64, 64), name="comb")
    return Predictor(taught_on(space), space)


def _taught_on(space: Space, step: int) -> Ensemble:
    rng = np.random.default_rng(0)
    parts = [space.block(block.name) for block in space.blocks]
    drawn = [parts[i % len(parts)] for i in range(300)] + [space] * 60
    tables = [
        OpTable.from_ops(part.ops(draw_widths(part, rng, (0.0, 0.5, 1.0)[i % 3])))
        for i, part in enumerate(drawn)
    ]
    return _taught(tables, coverage(space.table), step)


def _taught(tables: list[OpTable], covered: tuple[str, ...], step: int) -> Ensemble:
    units = KernelTensors.cat([KernelTensors.of(table, 1) for table in tables])
    features, logs = features_of(units)
    header = EnsembleHeader(
        target=f"comb{step}",
        static=required_static(features),
        members=3,
        hidden=24,
        batches=(1, 4),
        coverage=covered,
        base_spread=0.02,
        calibration=Calibration(coverages=(0.5, 0.9), block=(0.7, 1.7), network=(0.8, 1.8)),
    )
    lpnet = Ensemble(header)
    inputs, logs = with_first_static(features, header.static).float(), logs.float()
    spread = inputs.std(0)
    lpnet.mean.copy_(inputs.mean(0))
    lpnet.scale.copy_(torch.where(spread > 1e-6, 1 / spread.clamp(min=1e-6), 0.0))
    inputs = (inputs - lpnet.mean) * lpnet.scale
    targets = torch.tensor([comb_ms(table, step) for table in tables]).log()
    _descend(lpnet, inputs, logs, units.segment, targets)
    return lpnet.requires_grad_(False)


def _descend(
    lpnet: Ensemble, inputs: Tensor, logs: Tensor, segment: Tensor, targets: Tensor
) -> None:
    steps = 400
    optimiser = torch.optim.Adam(lpnet.parameters(), lr=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 1e-2, steps)
    empty = torch.zeros(lpnet.header.members, len(targets))
    for _ in range(steps):
        prices = lpnet.terms(inputs, logs).sum(-1)
        error = empty.index_add(1, segment, prices).log() - targets
        optimiser.zero_grad()
        torch.sqrt(error.square() + 1e-4).mean().backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
