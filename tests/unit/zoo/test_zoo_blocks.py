"""Blocks without a network."""

from __future__ import annotations

import pytest

from lpnet import zoo
from lpnet.errors import SpaceError
from lpnet.zoo.blocks import BUILDERS, build

IMAGES = {"channels": 16, "hidden": 24, "side": 10}
TOKENS = {"channels": 16, "hidden": 24, "tokens": 10}
SIZES = {
    "conv": IMAGES,
    "dwconv": IMAGES,
    "mbconv": IMAGES | {"squeeze": True},
    "linear": TOKENS,
    "ffn": TOKENS | {"norm": True},
    "swiglu": TOKENS,
    "attention": {"channels": 16, "heads": 3, "head_dim": 8, "tokens": 10},
}


@pytest.mark.parametrize("kind", BUILDERS)
def test_blocks_return_the_shape_of_their_input(kind: str) -> None:
    sizes = SIZES[kind]
    module, example = build(kind, **sizes, batch=2)
    is_image = "side" in sizes
    assert example.shape == ((2, 16, 10, 10) if is_image else (2, 10, 16))
    for _ in range(2):
        output = module(example)
        assert output.shape == example.shape
        output.sum().backward()
    assert all(parameter.grad is not None for parameter in module.parameters())


@pytest.mark.parametrize("kind", BUILDERS)
def test_the_first_width_of_a_block_is_the_hidden_one(kind: str) -> None:
    space = zoo.block(kind, **SIZES[kind], batch=2)
    assert (space.name, space.batch) == (kind, 2)
    # Queries, keys and values of three heads with 8 channels.
    assert space.widths[0].max == (72 if kind == "attention" else 24)
    assert space.widths[0].granule == (24 if kind == "attention" else 1)
    assert len(space.widths) == (2 if kind == "mbconv" else 1)
    assert sum(part.channels for part in space.frozen) == 16


def test_squeeze_excite_and_norm_are_options() -> None:
    def parameters(kind: str, **sizes: int) -> int:
        return sum(p.numel() for p in build(kind, **sizes)[0].parameters())

    assert parameters("mbconv", **IMAGES, squeeze=True) - parameters("mbconv", **IMAGES) == (
        24 * 4 + 4 + 4 * 24 + 24
    )
    assert parameters("ffn", **TOKENS, norm=True) - parameters("ffn", **TOKENS) == 2 * 16


def test_wrong_sizes_are_refused_in_words() -> None:
    with pytest.raises(SpaceError, match="no block is called 'lstm'; there are conv, dwconv"):
        build("lstm", hidden=3)
    with pytest.raises(SpaceError, match=r"'tokens'.*its sizes are channels, hidden, side"):
        build("conv", channels=1, hidden=2, side=3, tokens=4)
    with pytest.raises(SpaceError, match=r"missing.*'hidden'"):
        build("ffn", channels=1, tokens=4)
    with pytest.raises(SpaceError, match="hidden must be at least 1, got 0"):
        build("ffn", channels=1, hidden=0, tokens=4)
    with pytest.raises(SpaceError, match="kernel must be odd, got 4"):
        build("conv", channels=1, hidden=2, side=3, kernel=4)
    build("ffn", channels=1, hidden=1, tokens=4, norm=False)
