"""Large constants, and masks that hold infinities, survive in the files of spaces."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray
from tests.harness.networks import Net
from torch import Tensor, nn

from lpnet.errors import UnsupportedOp
from lpnet.space import slots, validation
from lpnet.space.graph import Node
from lpnet.space.limits import MAX_ARRAY
from lpnet.space.runs import decoded, encoded
from lpnet.space.slots import ConstantSlot
from lpnet.space.space import Space

# More than 100,000 pairs.
TOKENS = 320
Scores = Callable[[Any, Tensor], Tensor]


def masked(m: Any, scores: Tensor) -> Tensor:
    n = scores.shape[1]
    return scores + torch.full((n, n), float("-inf")).triu(1)


def relative(m: Any, scores: Tensor) -> Tensor:
    n = scores.shape[1]
    positions = torch.arange(n)
    biases: Tensor = m.table[positions[:, None] - positions + n - 1]
    return scores + biases


def gathered(m: Any, scores: Tensor) -> Tensor:
    """Each row takes the scores in a regular order."""
    n = scores.shape[1]
    order = (torch.arange(n)[:, None] + torch.arange(n)) % n
    return scores.gather(2, order.expand_as(scores))


def shuffled(m: Any, scores: Tensor) -> Tensor:
    result: Tensor = scores.flatten(1)[:, m.order].view_as(scores)
    return result


def attention(change: Scores, tokens: int) -> nn.Module:
    def forward(m: Any, x: Tensor) -> Tensor:
        weights = change(m, x @ x.mT).softmax(-1)
        result: Tensor = weights @ m.down(m.up(x).relu())
        return result

    model = Net(
        forward,
        up=nn.Linear(8, 16),
        down=nn.Linear(16, 8),
        table=nn.Parameter(torch.randn(2 * tokens - 1)),
    )
    order = torch.randperm(tokens**2, generator=torch.Generator().manual_seed(0))
    model.register_buffer("order", order)
    return model.eval()


def space_of(change: Scores, tokens: int) -> Space:
    return Space.from_model(attention(change, tokens), torch.randn(1, tokens, 8))


@pytest.mark.parametrize(
    ("change", "tokens"),
    [(masked, 6), (masked, TOKENS), (relative, TOKENS), (gathered, TOKENS)],
)
def test_a_space_survives_its_file(change: Scores, tokens: int) -> None:
    space = space_of(change, tokens)
    data = space.to_bytes()
    assert len(data) < 40_000
    again = Space.from_bytes(data)
    assert (again, again.template) == (space, space.template)
    model = again.concrete([8])
    assert model == space.concrete([8])
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (output,) = session.run(None, {"input": np.ones((1, tokens, 8), np.float32)})
    assert np.isfinite(output).all()


def test_an_irregular_one_is_refused_by_the_name_of_its_node() -> None:
    reads = "reads a constant of 102400 values, too many for a space"
    with pytest.raises(UnsupportedOp, match=rf"node 'index .*\(op Gather.*\): it {reads}"):
        space_of(shuffled, TOKENS)


DTYPES = (np.int64, np.int32, np.uint8, np.bool_, np.float32, np.float16)


@given(
    st.sampled_from(DTYPES).flatmap(
        lambda dtype: arrays.arrays(dtype, arrays.array_shapes(max_dims=3, max_side=6))
    )
)
def test_runs_are_the_array(array: NDArray[Any]) -> None:
    again = decoded(*encoded(array), str(array.dtype)).reshape(array.shape)
    assert again.dtype == array.dtype
    assert again.tobytes() == array.tobytes()


def test_runs_hash_as_the_values_did(monkeypatch: pytest.MonkeyPatch) -> None:
    short = space_of(gathered, 12)
    monkeypatch.setattr(slots, "MIN_ARRAY", 16)
    runs = space_of(gathered, 12)
    assert any(
        slot.lengths
        for node in runs.template.graph.nodes
        for slot in node.slots
        if isinstance(slot, ConstantSlot)
    )
    assert runs.hash == short.hash
    assert Space.from_bytes(short.to_bytes()).hash == short.hash


@pytest.mark.parametrize(
    ("shape", "values", "lengths"),
    [
        ((9000,), (1, 2), (9000,)),
        ((9000,), (1, 2), (1, 8998)),
        ((9000,), (1, 2), (9001, -1)),
        ((9000,), (1, 1), (1, 8999)),
        ((MAX_ARRAY, 5), (1,), (5 * MAX_ARRAY,)),
        ((-1,), (1,), (1,)),
    ],
)
def test_runs_that_match_no_array_are_refused(
    shape: tuple[int, ...], values: tuple[int, ...], lengths: tuple[int, ...]
) -> None:
    slot = ConstantSlot("int64", shape, values, lengths)
    with pytest.raises(ValueError, match="constant"):
        validation.check_constants([Node("n", "move", (), slots=(slot,))])
