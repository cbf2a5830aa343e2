"""Pads of ONNX windows, from explicit pads and from auto_pad."""

from __future__ import annotations

from typing import Any

import pytest

from lpnet_agent.runtimes.windows import Window, read_window


def window(sizes: tuple[int, int], **attributes: Any) -> Window:
    return read_window(attributes.get, sizes, kernel=(3, 4))


def test_defaults() -> None:
    assert window((9, 11)) == Window((3, 4), (1, 1), (1, 1), (0, 0), (0, 0))


def test_explicit_attributes() -> None:
    assert window(
        (9, 11), kernel_shape=[2, 5], strides=[2, 1], dilations=[1, 3], pads=[0, 1, 2, 3]
    ) == Window((2, 5), (2, 1), (1, 3), (0, 1), (2, 3))


@pytest.mark.parametrize(
    ("auto_pad", "before", "after"),
    [("SAME_UPPER", (1, 1), (1, 2)), ("SAME_LOWER", (1, 2), (1, 1)), ("VALID", (0, 0), (0, 0))],
)
def test_auto_pad(auto_pad: str, before: tuple[int, int], after: tuple[int, int]) -> None:
    """An odd pixel goes to the end with SAME_UPPER, and to the start with SAME_LOWER."""
    result = window((9, 11), auto_pad=auto_pad)
    assert (result.before, result.after) == (before, after)


def test_same_pads_depend_on_stride_and_dilation() -> None:
    # Two positions: 0..2 and 7..9, of 8 pixels; a dilated kernel covers 5 pixels.
    assert window((8, 8), auto_pad="SAME_UPPER", strides=[7, 8]).after == (1, 0)
    assert window((9, 9), auto_pad="SAME_UPPER", dilations=[2, 1]).before == (2, 1)


def test_an_unknown_auto_pad_is_refused() -> None:
    with pytest.raises(ValueError, match="auto_pad 'SAME' is unknown"):
        window((9, 11), auto_pad="SAME")
