"""Each rule of the solver, on a network that needs it: widths, function, counts, files."""

from __future__ import annotations

from functools import cache

import numpy as np
import onnxruntime as ort
import pytest
import torch
from benchmarks.spaces import counts
from tests.harness.cutting import (
    Kept,
    call,
    in_double,
    listed,
    masked,
    of_batch,
    random_channels,
)
from tests.harness.networks import NETWORKS, Network
from torch import nn

from lpnet.space.space import Space

FREE = [network for network in NETWORKS if network.widths]
SEEDS = range(4)


def name_of(network: Network) -> str:
    return network.name


@cache
def model_of(network: Network) -> nn.Module:
    return network.model()


@cache
def space_of(network: Network) -> Space:
    return Space.from_model(model_of(network), network.input())


@cache
def kept_of(network: Network) -> Kept:
    return random_channels(space_of(network), 0)


def counted(kept: Kept) -> dict[str, int]:
    return {name: len(channels) for name, channels in kept.items()}


@pytest.mark.parametrize("network", NETWORKS, ids=name_of)
def test_widths_and_what_is_frozen(network: Network) -> None:
    space = space_of(network)
    assert {w.name: (w.max, w.granule) for w in space.widths} == network.widths
    assert tuple(sorted({part.op for part in space.frozen})) == network.frozen
    assert all(part.node and part.reason and part.channels > 0 for part in space.frozen)
    free = sum(part.channels for part in space.frozen)
    assert free + sum(width.max for width in space.widths) <= space.channels
    if not space.widths:
        assert free == space.channels


@pytest.mark.parametrize("network", FREE, ids=name_of)
def test_a_pruned_network_is_the_dense_one_without_the_channels(network: Network) -> None:
    space, model = space_of(network), model_of(network)
    example = in_double(network.input())
    for seed in SEEDS:
        kept = random_channels(space, seed)
        pruned = space.prune(model, kept).double()
        reference = masked(space, model, kept).double()
        for left, right in zip(call(pruned, example), call(reference, example), strict=True):
            torch.testing.assert_close(left, right, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("network", FREE, ids=name_of)
def test_all_atoms_but_the_first_can_go(network: Network) -> None:
    space, model = space_of(network), model_of(network)
    kept = {width.name: space.atoms(width.name)[0] for width in space.widths}
    expected = call(model, network.input())
    for left, right in zip(call(space.prune(model, kept), network.input()), expected, strict=True):
        assert left.shape == right.shape


@pytest.mark.parametrize("network", FREE, ids=name_of)
def test_counts_are_those_of_the_pruned_network(network: Network) -> None:
    space, kept = space_of(network), kept_of(network)
    pruned = space.prune(model_of(network), kept)
    again = Space.from_model(pruned, network.input())
    assert space.ops(counted(kept)) == again.ops(again.dense)
    assert space.params(counted(kept)) == again.params(again.dense)
    example = network.input()
    if isinstance(example, torch.Tensor):
        assert space.macs(counted(kept)) == counts.macs(pruned, example)


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("network", NETWORKS, ids=name_of)
def test_concrete_networks_run(network: Network, batch: int) -> None:
    space, kept = space_of(network), kept_of(network)
    example = of_batch(network.input(), batch)
    expected = call(space.prune(model_of(network), kept), example)
    model = space.concrete(counted(kept), batch=batch)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    names = [value.name for value in session.get_inputs()]
    feed = dict(zip(names, (t.numpy() for t in listed(example)), strict=True))
    outputs = [np.asarray(output) for output in session.run(None, feed)]
    assert [output.shape for output in outputs] == [tuple(t.shape) for t in expected]
    assert all(np.isfinite(output).all() for output in outputs)


@pytest.mark.parametrize("network", NETWORKS, ids=name_of)
def test_the_file_of_a_space_is_the_space(network: Network) -> None:
    space = space_of(network)
    again = Space.from_bytes(space.to_bytes())
    assert again == space
    assert again.template == space.template
    assert again.blocks == space.blocks
    kept, model = kept_of(network), model_of(network)
    before, after = space.prune(model, kept), again.prune(model, kept)
    for name, tensor in before.state_dict().items():
        assert torch.equal(tensor, after.state_dict()[name])


@pytest.mark.parametrize("network", NETWORKS, ids=name_of)
def test_blocks_cover_a_network_and_are_spaces(network: Network) -> None:
    space = space_of(network)
    assert [block.start for block in space.blocks] == [0, *(b.stop for b in space.blocks[:-1])]
    assert space.blocks[-1].stop == len(space.table.rows)
    named = space.named(counted(kept_of(network)))
    parts = [space.block(block.name) for block in space.blocks]
    widths = [{width.name: named[width.name] for width in part.widths} for part in parts]
    macs = [part.macs(own) for part, own in zip(parts, widths, strict=True)]
    assert sum(macs) == space.macs(named)
    for part, own in zip(parts, widths, strict=True):
        assert Space.from_bytes(part.to_bytes()) == part
        session = ort.InferenceSession(part.concrete(own, batch=2).SerializeToString())
        assert session.get_outputs()
