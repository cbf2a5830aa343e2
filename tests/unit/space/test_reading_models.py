"""What a torch model becomes, and what is refused."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lpnet.errors import SpaceError, UnsupportedOp
from lpnet.space.space import Space

Make = Callable[..., Space]


class Call(nn.Module):
    """A function as a module."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


def conv() -> nn.Conv2d:
    return nn.Conv2d(3, 8, 3, padding=1)


@pytest.mark.parametrize(
    ("module", "function"),
    [
        (nn.ReLU(inplace=True), "relu"),
        (Call(lambda x: x.clamp(min=0)), "relu"),
        (nn.ReLU6(), "relu6"),
        (nn.Hardtanh(-1, 1), "clip"),
        (nn.SiLU(), "silu"),
        (Call(lambda x: torch.sigmoid(x) * x), "silu"),
        (nn.Sigmoid(), "sigmoid"),
        (nn.Tanh(), "tanh"),
        (nn.Hardswish(), "hardswish"),
        (nn.Hardsigmoid(), "hardsigmoid"),
        (nn.LeakyReLU(0.1), "leaky_relu"),
        (nn.ELU(), "elu"),
        (nn.GELU(), "gelu"),
        (nn.GELU("tanh"), "gelu"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_an_activation_is_one_row_and_computes_what_torch_computes(
    module: nn.Module, function: str, space_of: Make, run: Callable[..., list[Tensor]]
) -> None:
    space = space_of(conv(), module)
    assert [(row.type, row.function) for row in space.table.rows] == [
        ("conv2d", ""),
        ("activation", function),
    ]
    again = Space.from_bytes(space.to_bytes())
    assert again == space
    assert again.template == space.template
    model = again.concrete(space.dense)
    image = torch.randn(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    before = nn.Conv2d(3, 8, 3, padding=1)
    weights = {t.name: t for t in model.graph.initializer}
    raw = weights["0.weight"].raw_data
    before.weight.data = torch.frombuffer(bytearray(raw), dtype=torch.float32).reshape(8, 3, 3, 3)
    assert before.bias is not None
    before.bias.data.zero_()
    with torch.no_grad():
        expected = module(before(image))
    torch.testing.assert_close(
        torch.as_tensor(run(model, image.numpy())[0]), expected, rtol=1e-3, atol=1e-5
    )


@pytest.mark.parametrize(
    ("tail", "types"),
    [
        ([nn.AdaptiveAvgPool2d(1), nn.Flatten()], ["pool", "flatten"]),
        ([Call(lambda x: x.mean([2, 3]))], ["pool", "flatten"]),
        ([nn.AdaptiveAvgPool2d(1), Call(lambda x: x.squeeze(3).squeeze(2))], ["pool", "flatten"]),
        ([Call(lambda x: x.view(x.size(0), -1))], ["flatten"]),
        ([Call(lambda x: x.reshape(-1, 8 * 16 * 16))], ["flatten"]),
        ([nn.Dropout(), nn.Identity(), nn.AdaptiveAvgPool2d(16)], []),
        ([nn.MaxPool2d(3, 2, 1, ceil_mode=True)], ["pool"]),
        ([nn.AvgPool2d(2)], ["pool"]),
        ([nn.BatchNorm2d(8)], []),
        ([nn.BatchNorm2d(8, affine=False)], []),
        ([nn.ReLU(), nn.BatchNorm2d(8)], ["activation", "batch_norm"]),
        ([nn.BatchNorm2d(8), nn.BatchNorm2d(8)], []),
        ([nn.Flatten(), nn.Linear(2048, 9, bias=False), nn.BatchNorm1d(9)], ["flatten", "linear"]),
        ([Call(lambda x: x + x)], ["add"]),
    ],
)  # fmt: skip
def test_idioms(tail: list[nn.Module], types: list[str], space_of: Make) -> None:
    space = space_of(conv(), *tail)
    assert [row.type for row in space.table.rows] == ["conv2d", *types]
    assert Space.from_bytes(space.to_bytes()).template == space.template


def test_a_conv_whose_output_is_also_read_before_its_batch_norm_does_not_absorb_it(
    space_of: Make,
) -> None:
    class Forked(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.drop, self.bn = conv(), nn.Dropout(), nn.BatchNorm2d(8)

        def forward(self, x: Tensor) -> Tensor:
            x = self.conv(x)
            out: Tensor = x + self.bn(self.drop(x))
            return out

    rows = space_of(Forked()).table.rows
    assert [(row.type, row.inputs) for row in rows] == [
        ("conv2d", (-1,)),
        ("batch_norm", (0,)),
        ("add", (0, 1)),
    ]


def test_rows_know_their_pixels_and_windows(space_of: Make) -> None:
    space = space_of(
        nn.Conv2d(3, 8, (3, 5), stride=(1, 2), padding=(1, 2), dilation=(1, 1)),
        nn.MaxPool2d(3, 2, 1, ceil_mode=True),
        nn.Conv2d(8, 8, 3, padding=2, dilation=2),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 10),
    )
    first, pool, dilated, last, flatten, linear = space.table.rows
    assert (first.h, first.w, first.h_out, first.w_out) == (16, 16, 16, 8)
    assert (first.kernel, first.stride, first.padding) == ((3, 5), (1, 2), (1, 2))
    assert (pool.mode, pool.h_out, pool.w_out) == ("max", 9, 5)
    assert (dilated.dilation, dilated.h_out, dilated.w_out) == ((2, 2), 9, 5)
    assert (last.mode, last.kernel, last.h_out) == ("global", (9, 5), 1)
    assert (flatten.h, flatten.w, linear.h, linear.h_out) == (1, 1, 1, 1)


def test_rows_are_named_by_module_path_and_uniquely(residual: Space) -> None:
    names = [row.name for row in residual.table.rows]
    assert len(set(names)) == len(names)
    assert names[:3] == ["stem", "act", "expand"]
    assert {"relu", "relu#2", "relu6", "add", "view", "pool", "fc2"} < set(names)


@pytest.mark.parametrize(
    ("tail", "types"),
    [
        (Call(lambda x: torch.cat(x.chunk(2, 1)[::-1], 1)), ["split", "split", "concat"]),
        (Call(lambda x: torch.cat([x, x], 1)), ["concat"]),
        (Call(lambda x: x[:, :4]), ["split"]),
        (Call(lambda x: x[:, :, 1:]), ["move"]),
        (Call(lambda x: x * x), ["mul"]),
        (Call(lambda x: x * x.mean((2, 3), keepdim=True)), ["pool", "mul"]),
        (Call(lambda x: x + 1), ["add"]),
        (Call(lambda x: x - x), ["add"]),
        (Call(lambda x: x.permute(0, 2, 3, 1)), ["move"]),
        (Call(lambda x: x.view(1, 2, 4, 16, 16).relu()), ["move", "activation"]),
        (Call(lambda x: x.mean(1)), ["reduce"]),
        (Call(lambda x: nn.functional.interpolate(x, scale_factor=2)), ["resize"]),
        (Call(lambda x: torch.softmax(x, 1)), ["softmax"]),
        (nn.ConvTranspose2d(8, 8, 2, 2), ["conv_transpose2d"]),
        (nn.ZeroPad2d(1), ["move"]),
        (nn.PReLU(), ["activation"]),
        (nn.InstanceNorm2d(8), ["norm"]),
        (nn.Linear(16, 4), ["linear"]),
        (nn.AdaptiveMaxPool2d(1), ["reduce"]),
        (Call(lambda x: x.topk(2, 1).values), ["opaque"]),
    ],
)  # fmt: skip
def test_rows_of_other_ops(tail: nn.Module, types: list[str], space_of: Make) -> None:
    space = space_of(conv(), tail)
    assert [row.type for row in space.table.rows] == ["conv2d", *types]
    assert Space.from_bytes(space.to_bytes()).template == space.template


def test_an_op_that_holds_a_graph_is_refused_by_node_and_op(space_of: Make) -> None:
    def branch(x: Tensor) -> Tensor:
        out: Tensor = torch.cond(x.sum() > 0, lambda x: x + 1, lambda x: x * 2, (x,))
        return out

    with pytest.raises(UnsupportedOp) as caught:
        space_of(conv(), Call(branch))
    assert caught.value.op == "If"
    assert caught.value.node in str(caught.value)


def test_a_model_that_torch_cannot_export_says_why_in_the_error_alone(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    def branch(x: Tensor) -> Tensor:
        return x if int(x.sum().item()) > 0 else -x

    levels = {name: logging.getLogger(name).level for name in ("torch", "torch.onnx")}
    with pytest.raises(SpaceError, match=r"torch cannot export.*data-dependent"):
        Space.from_model(nn.Sequential(conv(), Call(branch)), torch.zeros(1, 3, 8, 8))
    assert capfd.readouterr() == ("", "")
    assert caplog.records == []
    assert {name: logging.getLogger(name).level for name in levels} == levels


@pytest.mark.parametrize(
    ("model", "example", "message"),
    [
        ("resnet20", torch.zeros(1, 3, 8, 8), "torch.nn.Module, got str 'resnet20'"),
        (nn.ReLU, torch.zeros(1, 3, 8, 8), "the class ReLU: pass an instance"),
        (nn.ReLU(), (1, 3, 8, 8), "a tensor, or a tuple or dict of tensors, got int 1"),
        (nn.ReLU(), {"x": [1.0]}, "dict of tensors, got list"),
        (nn.ReLU(), (), r"dict of tensors, got tuple \(\)"),
        (nn.ReLU(), None, "dict of tensors, got NoneType None"),
    ],
)
def test_what_is_no_model_or_no_tensor_is_named(model: Any, example: Any, message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        Space.from_model(model, example)


def test_an_input_that_is_also_an_output_is_refused() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = conv()

        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            return self.a(x), x

    with pytest.raises(SpaceError, match="does not come from an op"):
        Space.from_model(Two(), torch.zeros(1, 3, 8, 8))


def test_a_model_without_ops_is_refused() -> None:
    with pytest.raises(SpaceError, match="does not come from an op"):
        Space.from_model(nn.Identity(), torch.zeros(1, 3, 8, 8))


def test_tracing_leaves_the_model_and_the_terminal_alone(
    capfd: pytest.CaptureFixture[str],
) -> None:
    model = nn.Sequential(conv(), nn.BatchNorm2d(8), nn.Dropout(), nn.Conv2d(8, 4, 1))
    model[1].eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    modes = [module.training for module in model.modules()]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Space.from_model(model, torch.randn(2, 3, 8, 8))
    assert [module.training for module in model.modules()] == modes
    for name, value in model.state_dict().items():
        torch.testing.assert_close(value, before[name], rtol=0, atol=0)
    assert capfd.readouterr() == ("", "")


def test_the_example_input_gives_batch_and_resolution(space_of: Make) -> None:
    tail = nn.AdaptiveAvgPool2d(1), nn.Flatten()
    space = space_of(conv(), *tail, shape=(4, 3, 20, 12))
    assert space.batch == 4
    assert space.input_shape == (3, 20, 12)
    assert space.hash == space_of(conv(), *tail, shape=(1, 3, 20, 12)).hash


def test_features_are_an_input_too(space_of: Make) -> None:
    space = space_of(nn.Linear(12, 30), nn.ReLU(), nn.Linear(30, 3), shape=(2, 12))
    assert space.input_shape == (12, 1, 1)
    assert [width.max for width in space.widths] == [30]
    assert Space.from_bytes(space.to_bytes()).template == space.template
