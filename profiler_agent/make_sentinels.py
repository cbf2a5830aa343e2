"""Creates the space files of the sentinels, which the agent ships because it has no torch.

    python profiler_agent/make_sentinels.py

`arithmetic` is limited by arithmetic: 87 million multiply-accumulates on 440 kB of weights, which
stay in a level-2 cache together with the activations. `memory` is limited by memory: at batch 1
each of its 64 MiB of weights is used once per inference, and no last-level cache of one core holds
them. After a change of either, earlier readings are no longer comparable.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from lpnet.schemas.sample import Sentinel
from lpnet.space.space import Space

FOLDER = Path(__file__).parent / "lpnet_agent" / "measure" / "sentinel_spaces"


def spaces() -> dict[Sentinel, Space]:
    """The space of each sentinel, named after it."""
    arithmetic = nn.Sequential(_conv(), nn.ReLU(), _conv(), nn.ReLU(), _conv())
    memory = nn.Linear(4096, 4096, bias=False)
    return {
        "arithmetic": Space.from_model(arithmetic, torch.zeros(1, 64, 28, 28), "arithmetic"),
        "memory": Space.from_model(memory, torch.zeros(1, 4096), "memory"),
    }


def _conv() -> nn.Conv2d:
    return nn.Conv2d(64, 64, kernel_size=3, padding=1, bias=False)


if __name__ == "__main__":
    for name, space in spaces().items():
        space.save(FOLDER / f"{name}.onnx")
