"""Ops and samples that cannot be are refused, and the error names the field."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from lpnet.schemas.ops import Op
from lpnet.schemas.sample import Sample
from lpnet.schemas.workload import OpsWorkload

OPS: TypeAdapter[Op] = TypeAdapter(Op)
KEEPING = ("batch_norm", "norm", "softmax", "activation", "add", "mul", "pool", "resize")


def op(type: str, c_in: int = 8, c_out: int = 8, side: int = 5, **fields: Any) -> dict[str, Any]:
    if type == "pool":
        fields = {"mode": "max", "kernel": (2, 2)} | fields
    if type in ("conv2d", "conv_transpose2d"):
        fields = {"kernel": (3, 3)} | fields
    if type == "norm":
        fields = {"function": "layer"} | fields
    return {"type": type, "c_in": c_in, "c_out": c_out, "h": side, "w": side, **fields}


@pytest.mark.parametrize("type", KEEPING)
def test_what_keeps_channels_has_as_many_out_as_in(type: str) -> None:
    assert OPS.validate_python(op(type)).c_out == 8
    with pytest.raises(ValidationError, match="c_out must equal c_in, got 9 and 8"):
        OPS.validate_python(op(type, c_out=9))


@pytest.mark.parametrize("type", ["conv2d", "conv_transpose2d", "linear", "matmul"])
def test_groups_divide_channels(type: str) -> None:
    for groups in (1, 2, 64):
        OPS.validate_python(op(type, 64, 128, groups=groups))
    for c_in, c_out, groups, named in ((64, 128, 7, "c_in"), (6, 128, 3, "c_out")):
        with pytest.raises(ValidationError, match=f"groups must divide {named}, got {groups}"):
            OPS.validate_python(op(type, c_in, c_out, groups=groups))


@pytest.mark.parametrize(
    "wrong",
    [
        op("conv2d", kernel=(9, 9), padding=(0, 0)),
        op("conv2d", kernel=(3, 3), padding=(0, 0), dilation=(1, 3)),
        op("conv2d", kernel=(8, 8), padding=(1, 1)),
        op("conv_transpose2d", side=1, kernel=(3, 3), padding=(2, 2)),
        op("pool", kernel=(6, 1), padding=(0, 0)),
        op("pool", kernel=(6, 6), padding=(0, 0), mode="global"),
    ],
)
def test_a_window_fits_its_input(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=r"kernel: .* does not fit \d x \d pixels"):
        OPS.validate_python(wrong)
    # Where nobody recorded the padding, it may have been large enough.
    assert OPS.validate_python(wrong | {"padding": None}).h == wrong["h"]


@pytest.mark.parametrize(
    "tight",
    [
        op("conv2d", kernel=(7, 7), padding=(1, 1)),
        op("conv2d", kernel=(3, 3), padding=(0, 0), dilation=(2, 2), stride=(9, 9)),
        op("conv_transpose2d", side=1, kernel=(3, 3), padding=(1, 1)),
        op("pool", kernel=(5, 5), padding=(0, 0)),
    ],
)
def test_a_window_may_fit_just_once(tight: dict[str, Any]) -> None:
    assert OPS.validate_python(tight).type == tight["type"]


def test_a_flatten_loses_nothing() -> None:
    OPS.validate_python(op("flatten", c_out=8 * 25))
    with pytest.raises(ValidationError, match=r"c_out must be c_in \* h \* w, 8 \* 5 \* 5, got 8"):
        OPS.validate_python(op("flatten"))


@pytest.mark.parametrize("type", ["add", "mul"])
def test_what_is_added_or_multiplied_has_the_same_channels(type: str) -> None:
    convs = [op("conv2d", 3, 8), op("conv2d", 8, 16)]
    OpsWorkload.model_validate({"ops": [convs[0], op(type, inputs=(0, -1))]})
    with pytest.raises(
        ValidationError,
        match=rf"ops\[2\].inputs: op 1 has 16 output channels, but this {type} has 8",
    ):
        OpsWorkload.model_validate({"ops": [*convs, op(type, inputs=(0, 1))]})


@pytest.mark.parametrize("type", ["add", "mul"])
def test_a_smaller_tensor_is_broadcast(type: str) -> None:
    for fewer in (1, 4):
        ops = [op("conv2d", 3, 8), op("conv2d", 3, fewer), op(type, inputs=(0, 1))]
        OpsWorkload.model_validate({"ops": ops})
    ops = [op("conv2d", 3, 8), op("conv2d", 3, 3), op(type, inputs=(0, 1))]
    with pytest.raises(ValidationError, match="op 1 has 3 output channels"):
        OpsWorkload.model_validate({"ops": ops})


def test_a_tensor_of_another_size_may_have_other_channels() -> None:
    """A tensor (heads, 49, 49) as an image of 4 channels, from a product with 4 x 49 columns."""
    scores = op("matmul", 64, 196, groups=4) | {"h": 49, "w": 1}
    OpsWorkload.model_validate({"ops": [scores, op("mul", 4, 4, side=49, inputs=(0, -2))]})


def test_a_workload_has_up_to_64_inputs() -> None:
    OpsWorkload.model_validate({"ops": [op("add", inputs=(-1, -2, -64))]})
    with pytest.raises(ValidationError, match=r"inputs.*\n.*greater than or equal to -64"):
        OpsWorkload.model_validate({"ops": [op("add", inputs=(-65,))]})


@pytest.mark.parametrize("type", ["move", "reduce", "opaque"])
def test_an_op_of_free_size_states_its_output_and_function(type: str) -> None:
    whole = op(type, c_out=3, function="mean", h_out=2, w_out=1)
    assert OPS.validate_python(whole).c_out == 3
    for missing in ("function", "h_out", "w_out"):
        with pytest.raises(ValidationError, match=missing):
            OPS.validate_python({k: v for k, v in whole.items() if k != missing})


def test_a_norm_states_one_of_four_functions() -> None:
    with pytest.raises(ValidationError, match="'layer', 'group', 'instance' or 'rms'"):
        OPS.validate_python(op("norm", function="lp"))


def sample(**fields: float) -> Sample:
    workload = {"ops": [op("linear", side=1)]}
    return Sample.model_validate({"workload": workload, "latency_ms": 2.0, **fields})


def test_the_op_is_named_where_it_is_one_of_many() -> None:
    ops = [op("conv2d"), op("conv2d", groups=3)]
    with pytest.raises(ValidationError) as caught:
        Sample.model_validate({"workload": {"ops": ops}, "latency_ms": 1.0})
    (error,) = caught.value.errors()
    assert error["loc"] == ("workload", "ops", "ops", 1, "conv2d")
    assert "groups must divide c_in, got 3" in error["msg"]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"min_ms": 2.5}, r"min_ms must not exceed latency_ms, got 2.5 and 2.0"),
        ({"min_ms": 1.5, "p10_ms": 1.2}, r"min_ms must not exceed p10_ms, got 1.5 and 1.2"),
        ({"min_ms": 1.5, "p90_ms": 1.2}, r"min_ms must not exceed p90_ms, got 1.5 and 1.2"),
        ({"p10_ms": 2.5, "p90_ms": 2.2}, r"p10_ms must not exceed p90_ms, got 2.5 and 2.2"),
    ],
)
def test_quantiles_are_ordered(fields: dict[str, float], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        sample(**fields)


def test_equal_and_missing_quantiles_are_fine() -> None:
    assert sample(min_ms=2.0, p10_ms=2.0, p90_ms=2.0).min_ms == 2.0
    assert sample(p90_ms=2.0).min_ms is None


def test_merged_axes_may_be_long() -> None:
    pixels = 512 * 512
    OPS.validate_python(op("norm", 96, 96) | {"h": pixels, "w": 1})
    OPS.validate_python(op("move", 1, 64 * pixels, function="reshape", h_out=1, w_out=1))
    clip = op("pool", mode="global", kernel=(48_000, 1)) | {"h": 48_000, "w": 1}
    assert OPS.validate_python(clip).h == 48_000
    with pytest.raises(ValidationError, match="less than or equal to 100000000"):
        OPS.validate_python(op("norm", 96, 96) | {"h": 10**9})
