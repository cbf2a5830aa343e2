"""Workloads are drawn as users prune."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.harness.budget import examples
from torch import nn

from lpnet import zoo
from lpnet.space.sampling import draw_widths, plan
from lpnet.space.space import Space


@given(
    seed=st.integers(0, 2**32 - 1),
    blocks=st.integers(0, 60),
    networks=st.integers(0, 20),
    batch=st.integers(1, 8),
)
@examples(30)
def test_a_plan_is_legal_and_of_the_size_asked_for(
    seed: int, blocks: int, networks: int, batch: int
) -> None:
    space = zoo.space("resnet20")
    planned = plan(space, blocks=blocks, networks=networks, seed=seed, batch=batch)
    kinds = Counter(item.kind for item in planned)
    assert (kinds["block"], kinds["network"]) == (blocks, networks)
    for item in planned:
        part = space if item.workload.block is None else space.block(item.workload.block)
        assert (item.kind == "network") == (item.workload.block is None)
        assert item.workload.space == space.hash
        assert item.workload.batch == batch
        assert part.named(item.workload.widths) == item.workload.widths


def test_a_plan_repeats_with_its_seed_and_differs_with_another() -> None:
    space = zoo.space("mobilenet_v2_32")
    first = plan(space, blocks=40, networks=9, seed=3)
    assert plan(space, blocks=40, networks=9, seed=3) == first
    assert plan(space, blocks=40, networks=9, seed=4) != first


def test_a_plan_holds_the_dense_network_and_every_dense_block_once() -> None:
    space = zoo.space("resnet20")
    planned = plan(space, blocks=70, networks=8, seed=0)
    dense = [item for item in planned if item.draw == "dense"]
    assert [w.workload.widths for w in dense if w.kind == "network"] == [space.named(space.dense)]
    blocks = [item.workload for item in dense if item.kind == "block"]
    assert Counter(w.block for w in blocks) == {block.name: 1 for block in space.blocks}
    for workload in blocks:
        assert workload.block is not None
        part = space.block(workload.block)
        assert workload.widths == part.named(part.dense)


def test_blocks_are_spread_evenly_and_sweeps_change_one_width() -> None:
    space = zoo.space("resnet20")
    planned = plan(space, blocks=110, networks=0, seed=1)
    counts = Counter(item.workload.block for item in planned)
    assert set(counts.values()) == {10}
    sweeps = [item.workload for item in planned if item.draw == "sweep"]
    assert sweeps
    for workload in sweeps:
        assert workload.block is not None
        part = space.block(workload.block)
        changed = [w.name for w in part.widths if workload.widths[w.name] != w.max]
        assert len(changed) <= 1


def test_networks_cover_the_range_and_come_in_random_order() -> None:
    space = zoo.space("mobilenet_v2_32")
    planned = plan(space, blocks=0, networks=60, seed=5)
    macs = np.array([space.macs(item.workload.widths) for item in planned])
    share = macs / space.macs(space.dense)
    assert share.max() == 1
    assert share.min() < 0.1
    assert ((share > 0.2) & (share < 0.8)).sum() > 10
    assert planned[0].draw != "dense" or planned[1].draw != "random"
    assert {item.draw for item in planned} == {"dense", "random", "mixed", "aligned"}


@given(seed=st.integers(0, 2**32 - 1))
@examples(50)
def test_aligned_widths_are_multiples_of_four_or_whole(seed: int) -> None:
    space = zoo.space("resnet20")
    widths = draw_widths(space, np.random.default_rng(seed), aligned=1.0)
    for width, value in zip(space.widths, widths, strict=True):
        assert value % 4 == 0 or value == width.max


@pytest.fixture(scope="module")
def grouped() -> Space:
    layers = [nn.Conv2d(3, 24, 1), nn.Conv2d(24, 36, 3, groups=6), nn.Conv2d(36, 4, 1)]
    return Space.from_model(nn.Sequential(*layers), torch.zeros(1, 3, 8, 8))


@given(seed=st.integers(0, 2**32 - 1), aligned=st.sampled_from([0.0, 0.5, 1.0]))
def test_drawn_widths_keep_to_the_granule(seed: int, aligned: float, grouped: Space) -> None:
    widths = draw_widths(grouped, np.random.default_rng(seed), aligned)
    assert grouped.vector(widths.tolist()).tolist() == widths.tolist()


def test_a_space_without_widths_is_measured_as_it_is() -> None:
    space = Space.from_model(nn.Sequential(nn.Conv2d(3, 4, 1)), torch.zeros(1, 3, 8, 8))
    planned = plan(space, blocks=3, networks=2, seed=0)
    assert len(planned) == 5
    assert all(item.workload.widths == {} for item in planned)
