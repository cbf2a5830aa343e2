"""Ops of a pruned network and those of its trace are the same, or move as much."""

from __future__ import annotations

from benchmarks.spaces.checks import same_op

from lpnet.schemas.ops import Activation, Move, Split


def reshape(c_out: int, h_out: int) -> Move:
    return Move(c_in=20, c_out=c_out, h=4, w=4, h_out=h_out, w_out=4, function="reshape")


def test_a_reshape_may_have_its_channels_along_another_axis() -> None:
    assert same_op(reshape(10, 8), reshape(2, 40))
    assert not same_op(reshape(10, 8), reshape(10, 9))


def test_other_ops_are_equal() -> None:
    relu = Activation(c_in=4, c_out=4, h=2, w=2, function="relu")
    assert same_op(relu, Activation(c_in=4, c_out=4, h=2, w=2, function="relu"))
    assert not same_op(relu, Activation(c_in=2, c_out=2, h=4, w=2, function="relu"))
    assert not same_op(relu, reshape(4, 1))


def test_with_a_single_head_left_channels_may_be_those_of_the_head() -> None:
    head = Split(c_in=1, c_out=1, h=16, w=16, inputs=(4,))
    assert same_op(head, Split(c_in=64, c_out=16, h=16, w=1, inputs=(4,)))
    assert not same_op(head, Split(c_in=64, c_out=32, h=16, w=1, inputs=(4,)))
    assert not same_op(head, Split(c_in=64, c_out=16, h=16, w=1, inputs=(3,)))
    heads = Split(c_in=2, c_out=2, h=16, w=16, inputs=(4,))
    assert not same_op(heads, Split(c_in=64, c_out=32, h=16, w=1, inputs=(4,)))
