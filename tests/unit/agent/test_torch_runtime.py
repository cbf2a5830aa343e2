"""PyTorch as a runtime of the agent: every op, whole networks, and what it refuses."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from onnx import helper
from tests.harness.onnx_ops import RNG, agree, floats, one_op, onnx_model, scalar
from torch import nn

from lpnet import zoo
from lpnet.space.space import Space
from lpnet_agent.errors import OutOfMemory, RuntimeFailed, SetupError
from lpnet_agent.gpu.library import open_gpu
from lpnet_agent.runtimes.base import DeviceTimedSession, RuntimeConfig
from lpnet_agent.runtimes.graph import read_network
from lpnet_agent.runtimes.registry import create_runtime
from lpnet_agent.runtimes.torch import compiled, eager, support
from lpnet_agent.runtimes.torch.network import to_module

# PyTorch's compiler imports what PyTorch itself deprecates.
pytestmark = pytest.mark.filterwarnings(
    "ignore:.torch.jit.script_method. is deprecated:DeprecationWarning"
)


@pytest.fixture(autouse=True)
def settings() -> Iterator[None]:
    """What a runtime sets for its whole process is as before after each test."""
    threads = torch.get_num_threads()
    with torch._dynamo.config.patch(error_on_recompile=False):
        yield
    torch.set_num_threads(threads)


IMAGE = (2, 6, 9, 11)
CONV = (floats(8, 6, 3, 3), floats(8))
NORM = (floats(6), floats(6), floats(6), np.abs(floats(6)) + 0.1)
ONE_OP = {
    "conv": one_op("Conv", IMAGE, *CONV),
    "conv without bias": one_op("Conv", IMAGE, CONV[0]),
    "conv with pads": one_op("Conv", IMAGE, *CONV, pads=[1, 2, 1, 2], strides=[2, 1]),
    "conv with uneven pads": one_op("Conv", IMAGE, *CONV, pads=[0, 1, 2, 0]),
    "conv dilated": one_op("Conv", IMAGE, *CONV, dilations=[2, 3], pads=[2, 3, 2, 3]),
    "conv grouped": one_op("Conv", IMAGE, floats(4, 3, 3, 1), group=2),
    "conv depthwise": one_op("Conv", IMAGE, floats(6, 1, 3, 3), floats(6), group=6),
    "conv same upper": one_op("Conv", IMAGE, *CONV, auto_pad="SAME_UPPER", strides=[2, 2]),
    "conv same lower": one_op("Conv", IMAGE, floats(2, 6, 2, 4), auto_pad="SAME_LOWER"),
    "conv valid": one_op("Conv", IMAGE, *CONV, auto_pad="VALID"),
    "gemm": one_op("Gemm", (3, 5), floats(4, 5), floats(4), transB=1),
    "gemm without bias": one_op("Gemm", (3, 5), floats(5, 4)),
    "gemm scaled": one_op("Gemm", (3, 5), floats(5, 4), floats(1, 4), alpha=0.5, beta=-2.0),
    "gemm with a scalar": one_op("Gemm", (3, 5), floats(5, 4), floats()),
    "batch norm": one_op("BatchNormalization", IMAGE, *NORM, epsilon=1e-3),
    "batch norm, flat": one_op("BatchNormalization", (4, 6), *NORM),
    "relu": one_op("Relu", IMAGE),
    "relu6": one_op("Clip", IMAGE, scalar(0), scalar(6)),
    "clip from 0": one_op("Clip", IMAGE, scalar(0)),
    "clip": one_op("Clip", IMAGE, scalar(-0.5), scalar(0.25)),
    "clip to": one_op("Clip", IMAGE, None, scalar(0.25)),
    "clip, no bounds": one_op("Clip", IMAGE),
    "clip by attributes": one_op("Clip", IMAGE, opset=10, min=-0.1, max=0.2),
    "sigmoid": one_op("Sigmoid", IMAGE),
    "tanh": one_op("Tanh", IMAGE),
    "hard swish": one_op("HardSwish", IMAGE),
    "hard sigmoid": one_op("HardSigmoid", IMAGE),
    "hard sigmoid of torch": one_op("HardSigmoid", IMAGE, alpha=0.166667, beta=0.5),
    "leaky relu": one_op("LeakyRelu", IMAGE, alpha=0.2),
    "elu": one_op("Elu", IMAGE, alpha=0.7),
    "gelu": one_op("Gelu", IMAGE),
    "gelu by tanh": one_op("Gelu", IMAGE, approximate="tanh"),
    "add a constant": one_op("Add", IMAGE, floats(6, 1, 1)),
    "multiply by a constant": one_op("Mul", IMAGE, floats(6, 1, 1)),
    "flatten": one_op("Flatten", IMAGE),
    "flatten what is flat": one_op("Flatten", (3, 5), axis=-1),
    "max pool": one_op("MaxPool", IMAGE, kernel_shape=[3, 2], strides=[2, 2], pads=[1, 1, 1, 1]),
    "max pool, ceil": one_op("MaxPool", IMAGE, kernel_shape=[3, 3], strides=[2, 3], ceil_mode=1),
    "max pool, padded ceil": one_op(
        "MaxPool", IMAGE, kernel_shape=[2, 2], strides=[2, 2], pads=[1, 1, 1, 1], ceil_mode=1
    ),
    "max pool dilated": one_op("MaxPool", IMAGE, kernel_shape=[3, 3], dilations=[2, 1]),
    "max pool, uneven": one_op("MaxPool", IMAGE, kernel_shape=[3, 3], pads=[0, 1, 2, 0]),
    "max pool, wide pads": one_op("MaxPool", IMAGE, kernel_shape=[3, 3], pads=[2, 2, 2, 2]),
    "average pool": one_op("AveragePool", IMAGE, kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
    "average pool, pads counted": one_op(
        "AveragePool", IMAGE, kernel_shape=[3, 3], pads=[1, 1, 1, 1], count_include_pad=1
    ),
    "average pool, ceil": one_op(
        "AveragePool", IMAGE, kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1
    ),
    "average pool, padded ceil": one_op(
        "AveragePool",
        IMAGE,
        kernel_shape=[3, 3],
        strides=[3, 3],
        pads=[1, 1, 1, 1],
        ceil_mode=1,
        count_include_pad=1,
    ),
    "average pool, uneven": one_op(
        "AveragePool", IMAGE, kernel_shape=[3, 3], pads=[0, 1, 1, 0], count_include_pad=1
    ),
    "global average pool": one_op("GlobalAveragePool", IMAGE),
    "mean over sides": one_op("ReduceMean", IMAGE, np.array([2, 3]), keepdims=0),
    "mean by attribute": one_op("ReduceMean", IMAGE, opset=13, axes=[-1]),
    "mean over all": one_op("ReduceMean", IMAGE),
    "mean over none": one_op("ReduceMean", IMAGE, noop_with_empty_axes=1),
    "identity": one_op("Identity", IMAGE),
}


@pytest.mark.parametrize("data", ONE_OP.values(), ids=ONE_OP.keys())
def test_every_op_computes_what_onnx_runtime_computes(data: bytes) -> None:
    agree(data)


@pytest.mark.parametrize(
    ("data", "layers"),
    [
        (ONE_OP["relu6"], [nn.ReLU6]),
        (ONE_OP["clip from 0"], [nn.ReLU]),
        (ONE_OP["hard sigmoid of torch"], [nn.Hardsigmoid]),
        (ONE_OP["hard swish"], [nn.Hardswish]),
        (ONE_OP["batch norm"], [nn.BatchNorm2d]),
        (ONE_OP["conv with pads"], [nn.Conv2d]),
        (ONE_OP["conv with uneven pads"], [nn.ZeroPad2d, nn.Conv2d]),
        (ONE_OP["gemm scaled"], [nn.Linear]),
        (ONE_OP["average pool"], [nn.AvgPool2d]),
    ],
)
def test_layers_are_those_of_a_users_model(data: bytes, layers: list[type[nn.Module]]) -> None:
    module = to_module(read_network(data, "torch"), "torch")
    assert [type(layer) for layer in module.children()] == layers


def gated(reader: str) -> bytes:
    """x * sigmoid(x), and a sum with `reader` as its other side."""
    return onnx_model(
        [
            helper.make_node("Relu", ["x"], ["r"]),
            helper.make_node("Sigmoid", ["r"], ["gate"]),
            helper.make_node("Mul", ["gate", "r"], ["silu"]),
            helper.make_node("Add", ["silu", reader], ["y"]),
        ],
        {"x": (2, 3)},
        {},
    )


def test_a_gate_is_one_layer_unless_something_else_reads_it() -> None:
    layers = [
        [type(layer) for layer in to_module(read_network(gated(r), "torch"), "torch").children()]
        for r in ("r", "gate")
    ]
    assert layers == [[nn.ReLU, nn.SiLU], [nn.ReLU, nn.Sigmoid]]
    agree(gated("r"))
    agree(gated("gate"))


def test_several_inputs_and_outputs_keep_their_names_and_order() -> None:
    data = onnx_model(
        [
            helper.make_node("Mul", ["b", "a"], ["product"]),
            helper.make_node("Concat", ["a", "product"], ["all"], axis=1),
        ],
        {"a": (2, 3, 4), "b": (2, 3, 1)},
        {},
        ("all", "product"),
    )
    agree(data)
    session = create_runtime("torch", RuntimeConfig(1)).load(data)
    a, b = floats(2, 3, 4), floats(2, 3, 1)
    both, product = session.infer({"b": b, "a": a})
    np.testing.assert_allclose(product, a * b, rtol=1e-6)
    np.testing.assert_array_equal(both[:, :3], a)


def pruned(space: Space, batch: int) -> bytes:
    """A space at random widths."""
    widths = {
        width.name: width.granule * int(RNG.integers(1, width.max // width.granule + 1))
        for width in space.widths
    }
    data: bytes = space.concrete(widths, batch=batch).SerializeToString()
    return data


@pytest.mark.parametrize("options", [{}, {"channels_last": "1"}], ids=["nchw", "nhwc"])
@pytest.mark.parametrize("name", ["resnet20", "mobilenet_v2"])
def test_networks_of_random_widths_agree(name: str, options: dict[str, str]) -> None:
    space = zoo.space(name).at(resolution=32)
    for batch in (1, 3):
        agree(pruned(space, batch), **options)


def counting(session: Any) -> list[int]:
    """Grows by one for every inference of a session."""
    calls: list[int] = []
    forward = session._forward

    def counted(*inputs: torch.Tensor) -> Any:
        calls.append(1)
        assert torch.is_inference_mode_enabled()
        return forward(*inputs)

    session._forward = counted
    return calls


def test_a_network_runs_as_often_as_asked() -> None:
    session = create_runtime("torch", RuntimeConfig(1)).load(ONE_OP["conv"])
    calls = counting(session)
    session.run(1)
    session.run(7)
    assert len(calls) == 8


def test_layout_is_the_targets() -> None:
    for value, layout in (("0", torch.contiguous_format), ("1", torch.channels_last)):
        runtime = create_runtime("torch", RuntimeConfig(1, options={"channels_last": value}))
        session: Any = runtime.load(ONE_OP["conv"])
        for tensor in (session._timed_inputs[0], next(session._forward.parameters())):
            assert tensor.is_contiguous(memory_format=layout)


def test_the_runtime_says_what_it_is() -> None:
    info = create_runtime("torch", RuntimeConfig(2, options={"channels_last": "1"})).describe()
    assert (info.name, info.provider, info.precision, info.threads) == ("torch", "cpu", "fp32", 2)
    assert (info.version, info.variant) == (torch.__version__, "nhwc")
    assert info.options["channels_last"] is True
    assert info.options["inference_mode"] is True
    assert "tf32_conv" not in info.options
    assert torch.get_num_threads() == 2
    assert create_runtime("torch", RuntimeConfig(1)).describe().variant == ""
    assert (
        create_runtime("torch-compile", RuntimeConfig(1)).describe().options["mode"] == "default"
    )


@pytest.mark.parametrize(
    ("runtime", "options", "message"),
    [
        ("torch", {"layout": "nhwc"}, "'layout'.*channels_last"),
        ("torch", {"channels_last": "yes"}, "channels_last of torch must be one of 0, 1"),
        ("torch", {"mode": "default"}, "'mode'"),
        ("torch", {"cudnn_benchmark": "1"}, "'cudnn_benchmark'"),
        ("torch-compile", {"mode": "reduce-overhead"}, "mode .* one of default, got .*reduce"),
    ],
)
def test_an_unknown_option_or_value_is_refused(
    runtime: str, options: dict[str, str], message: str
) -> None:
    with pytest.raises(SetupError, match=message):
        create_runtime(runtime, RuntimeConfig(1, options=options))


POOL: dict[str, Any] = {"kernel_shape": [2, 2]}
REFUSED = {
    "unknown op": (one_op("Hardmax", (1, 3)), "Hardmax 'the_node'.*unknown"),
    "no side": (one_op("GlobalAveragePool", (1, 3)), "2 dimensions"),
    "uneven average": (
        one_op("AveragePool", IMAGE, **POOL, pads=[0, 1, 1, 0]),
        "AveragePool 'the_node'.*count_include_pad",
    ),
    "uneven ceil": (
        one_op("MaxPool", IMAGE, **POOL, pads=[0, 1, 1, 0], ceil_mode=1),
        "MaxPool 'the_node'.*ceil_mode",
    ),
    "dilated average": (one_op("AveragePool", IMAGE, **POOL, dilations=[2, 2]), "dilations"),
    "transA": (one_op("Gemm", (5, 3), floats(5, 4), transA=1), "Gemm 'the_node'.*transA"),
    "bias per row": (one_op("Gemm", (3, 5), floats(5, 4), floats(3, 4)), "bias"),
    "training": (
        onnx_model(
            [
                helper.make_node(
                    "BatchNormalization",
                    ["x", "scale", "bias", "mean", "var"],
                    ["y", "running_mean", "running_var"],
                    name="norm",
                    training_mode=1,
                )
            ],
            {"x": IMAGE},
            dict(zip(("scale", "bias", "mean", "var"), NORM, strict=True)),
        ),
        "BatchNormalization 'norm'.*'running_mean'",
    ),
    "old attribute": (
        one_op("BatchNormalization", IMAGE, *NORM, opset=8, spatial=1),
        "BatchNormalization 'the_node'.*'spatial'",
    ),
    "indices": (
        onnx_model(
            [
                helper.make_node("MaxPool", ["x"], ["y", "places"], name="pool", **POOL),
            ],
            {"x": IMAGE},
            {},
        ),
        "MaxPool 'pool'.*'places'",
    ),
    "computed weight": (
        onnx_model(
            [helper.make_node("Conv", ["x", "w"], ["y"], name="conv")],
            {"x": IMAGE, "w": (2, 6, 1, 1)},
            {},
        ),
        "Conv 'conv'.*'w' is not a constant",
    ),
}


@pytest.mark.parametrize(("data", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_loaded_is_refused_by_name(data: bytes, message: str) -> None:
    with pytest.raises(RuntimeFailed, match=message):
        create_runtime("torch", RuntimeConfig(1)).load(data)


def test_inputs_are_checked_by_name_and_shape() -> None:
    session = create_runtime("torch", RuntimeConfig(1)).load(one_op("Relu", (2, 3)))
    with pytest.raises(RuntimeFailed, match=r"no input 'z'.*'x'"):
        session.infer({"z": floats(2, 3)})
    with pytest.raises(RuntimeFailed, match=r"'x' must have shape \(2, 3\), got \(3, 2\)"):
        session.infer({"x": floats(3, 2)})
    with pytest.raises(RuntimeFailed, match="'x' is missing"):
        session.infer({})


def outer_sum(side: int) -> bytes:
    """A small input and a small constant whose sum has side * side elements."""
    return one_op("Add", (side, 1), np.zeros((1, side), np.float32))


def test_what_does_not_fit_in_memory_is_a_result() -> None:
    with pytest.raises(OutOfMemory, match="torch cannot run"):
        create_runtime("torch", RuntimeConfig(1)).load(outer_sum(2**22))


def held(size: int) -> int:
    """Tensors of that many elements in this process."""
    gc.collect()
    kinds = (torch.Tensor, nn.Parameter)
    return sum(type(o) in kinds and o.numel() == size for o in gc.get_objects())


def test_a_session_that_is_dropped_frees_its_weights() -> None:
    session = create_runtime("torch", RuntimeConfig(1)).load(
        one_op("Gemm", (1, 1009), floats(1009, 7))
    )
    assert held(7063) == 1
    del session
    assert held(7063) == 0


needs_compiler = pytest.mark.skipif(
    compiled.providers()[0].unavailable is not None, reason="no C++ compiler"
)


@needs_compiler
@pytest.mark.slow
def test_compiled_networks_stay_compiled_side_by_side() -> None:
    """More of them than PyTorch keeps versions of a function that it compiles again and again."""
    runtime = create_runtime("torch-compile", RuntimeConfig(1))
    models = [one_op("LeakyRelu", (1, width), alpha=0.5) for width in (1, 2, 3)]
    with torch._dynamo.config.patch(recompile_limit=1, accumulated_recompile_limit=2):
        sessions = [runtime.load(data) for data in models]
    before = torch._dynamo.utils.counters["stats"]["unique_graphs"]
    for width, session in enumerate(sessions, 1):
        session.run(2)
        x = floats(1, width)
        (output,) = session.infer({"x": x})
        np.testing.assert_allclose(output, np.where(x > 0, x, x / 2))
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == before


@pytest.mark.bf16
def test_half_the_bits_are_nearly_as_good() -> None:
    data = pruned(zoo.space("resnet20"), 2)
    x = {"input": floats(2, 3, 32, 32)}
    (expected,) = create_runtime("onnxruntime", RuntimeConfig(1)).load(data).infer(x)
    session: Any = create_runtime("torch", RuntimeConfig(1, precision="bf16")).load(data)
    assert session._timed_inputs[0].dtype == torch.bfloat16
    (output,) = session.infer(x)
    assert output.dtype == np.float32
    assert np.linalg.norm(output - expected) <= 6e-2 * np.linalg.norm(expected)


@needs_compiler
def test_a_compiled_block_agrees_and_frees_its_weights() -> None:
    space = zoo.space("resnet20")
    block = space.block(space.blocks[2].name)
    data = block.concrete(block.named([13 for _ in block.widths])).SerializeToString()
    agree(data, "torch-compile")
    gemm = one_op("Gemm", (1, 1013), floats(1013, 7))
    session = create_runtime("torch-compile", RuntimeConfig(1)).load(gemm)
    assert held(7091) == 1
    del session
    assert held(7091) == 0


@needs_compiler
def test_what_would_be_compiled_again_fails() -> None:
    runtime = create_runtime("torch-compile", RuntimeConfig(1))
    session: Any = runtime.load(one_op("LeakyRelu", (1, 3), alpha=0.5))
    session._timed_inputs = (torch.zeros(5, 3),)
    with pytest.raises(RuntimeFailed, match=r"torch-compile cannot run.*Recompiling"):
        session.run(1)


@needs_compiler
def test_what_torch_does_not_compile_is_not_taken_for_compiled() -> None:
    runtime = create_runtime("torch-compile", RuntimeConfig(1))
    with (
        torch.compiler.set_stance("force_eager"),
        pytest.raises(RuntimeFailed, match="did not compile"),
    ):
        runtime.load(one_op("LeakyRelu", (1, 3), alpha=0.5))


def test_without_a_compiler_it_is_not_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert "no-such-compiler" in str(compiled.providers()[0].unavailable)
    with pytest.raises(SetupError, match=r"torch-compile.*no-such-compiler"):
        create_runtime("torch-compile", RuntimeConfig(1))
    assert eager.providers()[0].unavailable is None


def test_a_build_without_cuda_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cuda, "is_built", lambda: False)
    assert support.cuda().unavailable == "this build of torch has no CUDA"
    monkeypatch.setattr(torch.backends.cuda, "is_built", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert support.cuda().unavailable == "no GPU is visible"


def test_a_cpu_that_would_convert_to_float32_has_no_bf16(monkeypatch: pytest.MonkeyPatch) -> None:
    for able, precisions in (({}, ("fp32",)), ({"amx_bf16": True}, ("fp32", "bf16"))):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda able=able: able, raising=False)
        assert support.cpu().precisions == precisions


def on_gpu(precision: str = "fp32", **options: str) -> RuntimeConfig:
    return RuntimeConfig(1, "cuda", precision, options)


@pytest.mark.cuda
@pytest.mark.parametrize(
    ("choice", "tolerance"),
    [
        (on_gpu(tf32_conv="0"), 1e-4),
        (on_gpu(), 5e-3),
        (on_gpu(channels_last="1"), 5e-3),
        (on_gpu("fp16"), 2e-2),
        (on_gpu("fp16", channels_last="1", cudnn_benchmark="1"), 2e-2),
    ],
)
@pytest.mark.parametrize("runtime", ["torch", "torch-compile"])
@pytest.mark.filterwarnings("ignore:TensorFloat32 tensor cores")
def test_a_gpu_agrees(runtime: str, choice: RuntimeConfig, tolerance: float) -> None:
    data = pruned(zoo.space("resnet20"), 2)
    x = {"input": floats(2, 3, 32, 32)}
    (expected,) = create_runtime("onnxruntime", RuntimeConfig(1)).load(data).infer(x)
    session = create_runtime(runtime, choice).load(data)
    session.run(3)
    (output,) = session.infer(x)
    assert np.linalg.norm(output - expected) <= tolerance * np.linalg.norm(expected)


@pytest.mark.cuda
@pytest.mark.filterwarnings("ignore:TensorFloat32 tensor cores")
def test_cuda_graphs_agree() -> None:
    choice = on_gpu(tf32_conv="0", mode="reduce-overhead")
    data = pruned(zoo.space("resnet20"), 1)
    runtime = create_runtime("torch-compile", choice)
    assert runtime.describe().variant == "notf32conv-reduce-overhead"
    sessions = [runtime.load(data) for _ in range(2)]
    x = {"input": floats(1, 3, 32, 32)}
    (expected,) = create_runtime("onnxruntime", RuntimeConfig(1)).load(data).infer(x)
    for session in (*sessions, *sessions):
        session.run(3)
        (output,) = session.infer(x)
        np.testing.assert_allclose(output, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.cuda
def test_every_inference_on_a_gpu_is_complete(monkeypatch: pytest.MonkeyPatch) -> None:
    session = create_runtime("torch", on_gpu()).load(ONE_OP["conv"])
    waits: list[int] = []
    wait = torch.cuda.synchronize

    def counted() -> None:
        waits.append(1)
        wait()

    monkeypatch.setattr(torch.cuda, "synchronize", counted)
    session.run(5)
    assert len(waits) == 5


@pytest.mark.cuda
def test_a_gpu_says_what_it_is() -> None:
    info = create_runtime("torch", on_gpu("fp16")).describe()
    assert (info.provider, info.precision) == ("cuda", "fp16")
    assert info.options["tf32_conv"] is True
    assert info.options["cudnn_benchmark"] is False
    assert info.options["cudnn"]
    assert eager.providers()[1].device == torch.cuda.get_device_name()


@pytest.mark.cuda
def test_what_does_not_fit_in_a_gpus_memory_is_a_result() -> None:
    runtime = create_runtime("torch", on_gpu())
    with pytest.raises(OutOfMemory, match="torch cannot run"):
        runtime.load(outer_sum(2**20))
    runtime.load(ONE_OP["conv"]).run(1)


@pytest.mark.cuda
def test_events_time_what_the_host_times() -> None:
    session = create_runtime("torch", on_gpu()).load(pruned(zoo.space("resnet20"), 64))
    assert isinstance(session, DeviceTimedSession)
    assert not session.prepares
    session.run(20)
    walls, events = [], []
    for _ in range(20):
        start = time.perf_counter()
        session.run(1)
        walls.append(1e3 * (time.perf_counter() - start))
        events.append(session.device_ms())
    assert 0 < np.median(events) <= 1.5 * np.median(walls)


@pytest.mark.cuda
def test_a_cold_cache_is_another_target_and_not_faster() -> None:
    cold, warm = create_runtime("torch", on_gpu(l2="cold")), create_runtime("torch", on_gpu())
    assert cold.describe().variant == "l2cold"
    assert warm.describe().options["l2"] == "warm"
    # Weights that a cache of any size holds, and arithmetic that takes next to no time.
    data = pruned(zoo.space("resnet20"), 1)
    sessions = cold.load(data), warm.load(data)
    medians = []
    for session in sessions:
        assert isinstance(session, DeviceTimedSession)
        assert session.prepares == (session is sessions[0])
        times = []
        for _ in range(50):
            session.prepare()
            times.append(session.device_ms())
        medians.append(np.median(times))
    assert medians[0] >= 0.95 * medians[1]


@pytest.mark.cuda
def test_the_driver_tells_of_the_gpu_that_torch_uses() -> None:
    with open_gpu("cuda") as gpu:
        assert gpu is not None, "NVML does not answer"
        facts, reading = gpu.facts(), gpu.reading(used=False)
    assert facts.name == torch.cuda.get_device_name()
    assert facts.driver
    assert facts.compute_capability == "{}.{}".format(*torch.cuda.get_device_capability())
    assert reading.sm_mhz
    assert reading.temperature_c
