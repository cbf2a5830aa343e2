"""Random prunings of the families' harness are all those that a space allows."""

from __future__ import annotations

import random

import torch
from benchmarks.spaces.drawing import draw
from torch import nn

from lpnet.space.space import Space


def test_groups_of_a_convolution_keep_equally_many_channels_of_their_own() -> None:
    model = nn.Sequential(nn.Conv2d(3, 12, 1), nn.Conv2d(12, 9, 1, groups=3), nn.Conv2d(9, 2, 1))
    example = torch.zeros(1, 3, 4, 4)
    space = Space.from_model(model, example)
    generator = random.Random(0)
    different = 0
    for index in range(12):
        kept = draw(space, generator, index)
        groups = [[c % 4 for c in kept["0"] if c // 4 == group] for group in range(3)]
        assert len({len(group) for group in groups}) == 1
        different += groups[0] != groups[1]
        space.prune(model, kept)(example)
    assert different > 0
