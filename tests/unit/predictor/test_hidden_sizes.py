"""Hidden sizes of a block: what `lpnet fast` asks for, and what it says of a comb."""

from __future__ import annotations

import pytest

from lpnet.cli.fast import Kind, _too_large, print_sizes
from lpnet.cli.hidden_sizes import EXPANSION, MAX_STOPS, Block, hidden_sizes
from lpnet.errors import LpnetError
from lpnet.predictor.predictor import Predictor
from lpnet.zoo.blocks import BUILDERS


def test_the_command_has_all_kinds_of_blocks() -> None:
    assert [kind.value for kind in Kind] == list(BUILDERS) == list(EXPANSION)


def test_channels_follow_from_the_largest_hidden_size() -> None:
    block = Block.parse("ffn", "2048..4096", tokens=256, channels=None)
    assert block.sizes == {"hidden": 4096, "tokens": 256, "channels": 1024}
    assert Block.parse("swiglu", "2048..4096", tokens=2).sizes["channels"] == 1536
    attention = Block.parse("attention", "256..768", tokens=196)
    assert attention.sizes == {"heads": 12, "tokens": 196, "channels": 768}


def test_the_command_can_be_repeated() -> None:
    block = Block.parse("mbconv", "96..192", side=14, squeeze=True, channels=32)
    expected = "lpnet fast mbconv --hidden 96..192 --side 14 --squeeze --channels 32 --target T"
    assert block.command("T") == expected
    assert block.title == "mbconv, side 14, squeeze, channels 32"


@pytest.mark.parametrize(
    ("kind", "hidden", "sizes", "reason"),
    [
        ("ffn", "2048-4096", {"tokens": 1}, "LOW..HIGH"),
        ("ffn", "64..64", {"tokens": 1}, "LOW..HIGH"),
        ("ffn", "0..64", {"tokens": 1}, "LOW..HIGH"),
        ("ffn", "32..64", {"side": 7}, "ffn needs --tokens"),
        ("conv", "32..64", {"tokens": 7}, "conv needs --side"),
    ],
)
def test_wrong_sizes_are_named(kind: str, hidden: str, sizes: dict[str, int], reason: str) -> None:
    with pytest.raises(LpnetError, match=reason):
        Block.parse(kind, hidden, **sizes)


def test_heads_are_whole() -> None:
    with pytest.raises(LpnetError, match="multiple of --head-dim 64"):
        _ = Block.parse("attention", "64..100", tokens=2).sizes


def test_sizes_of_a_comb_are_its_teeth(
    predictor: Predictor, capsys: pytest.CaptureFixture[str]
) -> None:
    name = predictor.space.widths[0].name
    block = Block("conv", 8, predictor.space.widths[0].max, {"side": 64})
    result = hidden_sizes(predictor, block, 1.0)
    values = [size.hidden for size in result.fast]
    assert values == [v for v in predictor.fast_widths(name) if v >= 8]
    assert result.same_within_pct == 2.0
    stops = [size.hidden for size in result.fast if size.stop]
    assert {16, 32} <= set(stops)
    assert len(stops) <= MAX_STOPS
    assert result.facts()["fast"][-1]["hidden"] == block.high
    print_sizes(block, "[desk]", result)
    output = capsys.readouterr().out
    assert output.startswith("conv, side 64 on [desk]")
    assert "100%" in output


def test_sizes_of_heads_are_those_of_all_of_them(predictor: Predictor) -> None:
    """A width of three times the channels, as of queries, keys and values."""
    block = Block("attention", 4, 10, {})
    result = hidden_sizes(predictor, block, None)
    assert result.fast[-1].hidden == 10
    assert result.fast[0].hidden >= 4
    assert result.same_within_pct == 2.0


def test_larger_blocks_than_any_in_training_are_measured_first(predictor: Predictor) -> None:
    space = predictor.space
    assert _too_large(space, {"channels": (1, 144), "pixels": (1, 4096)}) is None
    assert _too_large(space, {}) is None
    reason = _too_large(space, {"channels": (1, 100), "pixels": (1, 4096)})
    assert reason is not None
    assert "at most 100 channels, and the block has 144" in reason
    reason = _too_large(space, {"pixels": (1, 64)})
    assert reason is not None
    assert "64 pixels or tokens" in reason
