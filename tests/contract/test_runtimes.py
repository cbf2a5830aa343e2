"""Every runtime computes the same function. A new one is tested by its line in the registry.

`torch-compile` runs ResNet-20 alone: it takes seconds for every network, precision and number of
threads, and what it compiles is the module that `torch` runs here for every network.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np
import pytest
import torch
from _pytest.mark import ParameterSet
from numpy.typing import NDArray

from lpnet import zoo
from lpnet.errors import MissingExtra
from lpnet_agent.errors import RuntimeFailed, SetupError
from lpnet_agent.runtimes.base import PRECISIONS, Runtime, RuntimeConfig
from lpnet_agent.runtimes.registry import NAMES, create_runtime, list_support

# How far outputs may be from ONNX Runtime's in float32: norm of the difference over the norm.
TOLERANCE = {"fp32": 1e-3, "fp16": 2e-2, "bf16": 6e-2, "int8": 0.3}
# Convolutions in float32 take TF32 on a GPU unless they are told not to.
TOLERANCE_TF32 = 5e-3
# Small pictures where the network takes them: every op runs, and nobody waits.
NETWORKS = {
    "resnet20": zoo.space("resnet20"),
    "resnet34": zoo.space("resnet34").at(resolution=64),
    "resnet50": zoo.space("resnet50").at(resolution=64),
    "mobilenet_v2": zoo.space("mobilenet_v2").at(resolution=64),
    "vgg16_bn": zoo.space("vgg16_bn"),
    "mobilenet_v2_32": zoo.space("mobilenet_v2_32"),
}
# Compiling takes seconds for every network: there, one with each kind of op will do.
SLOW = {"torch-compile": ("resnet20",)}


def choices() -> Iterator[tuple[str, RuntimeConfig]]:
    """Every runtime of the registry with all that it offers here, on one and on two threads."""
    for line in list_support():
        for precision in line.precisions:
            for threads in (1, 2):
                yield line.name, RuntimeConfig(threads, line.provider, precision)


def case(name: str, choice: RuntimeConfig, *more: str) -> ParameterSet:
    words = (name, choice.provider, choice.precision, f"t{choice.threads}", *more)
    marks = [] if choice.provider == "cpu" else [pytest.mark.cuda]
    # One network shows that threads change nothing.
    if choice.threads > 1 and any(network != "resnet20" for network in more):
        marks.append(pytest.mark.slow)
    return pytest.param(name, choice, *more, id="-".join(words), marks=marks)


OFFERED = list(choices())
CHOICES = [case(name, choice) for name, choice in OFFERED]
RUNS = [
    case(name, choice, network)
    for name, choice in OFFERED
    for network in SLOW.get(name, tuple(NETWORKS))
]


@cache
def network(name: str) -> tuple[bytes, NDArray[np.float32], NDArray[np.float32]]:
    """A pruned network as ONNX, an input, and what ONNX Runtime makes of it."""
    space = NETWORKS[name]
    rng = np.random.default_rng(7)
    widths = {
        width.name: max(
            width.granule, int(width.max * rng.uniform(0.1, 0.4)) // width.granule * width.granule
        )
        for width in space.widths
    }
    model = space.concrete(widths, batch=2)
    shape = [side.dim_value for side in model.graph.input[0].type.tensor_type.shape.dim]
    given = rng.standard_normal(shape).astype(np.float32)
    data: bytes = model.SerializeToString()
    (expected,) = (
        create_runtime("onnxruntime", RuntimeConfig(1)).load(data).infer({"input": given})
    )
    return data, given, expected


@pytest.fixture(autouse=True)
def own_settings() -> Iterator[None]:
    """What a runtime sets for its whole process is as before after each test."""
    threads = torch.get_num_threads()
    with torch._dynamo.config.patch(error_on_recompile=False):
        yield
    torch.set_num_threads(threads)


def test_every_runtime_of_the_registry_is_here() -> None:
    assert {line.name for line in list_support() if line.available} == set(NAMES)


def test_of_every_precision_it_is_said_whether_there_is_one_or_why_not() -> None:
    for line in list_support():
        if line.available:
            assert not set(line.precisions) & set(line.without), line
            assert {*line.precisions, *line.without} == set(PRECISIONS), line
            assert all(line.without.values()), line


@pytest.mark.parametrize(("runtime", "choice", "name"), RUNS)
def test_it_computes_what_onnx_runtime_computes(
    runtime: str, choice: RuntimeConfig, name: str
) -> None:
    data, given, expected = network(name)
    session = create_runtime(runtime, choice).load(data)
    session.run(2)
    (found,) = session.infer({"input": given})
    assert found.shape == expected.shape
    assert found.dtype == np.float32
    error = float(np.linalg.norm(found - expected) / np.linalg.norm(expected))
    tf32 = choice.provider != "cpu" and choice.precision == "fp32"
    assert error <= (TOLERANCE_TF32 if tf32 else TOLERANCE[choice.precision])
    # What is timed afterwards is the same as before.
    session.run(1)
    (again,) = session.infer({"input": given})
    np.testing.assert_array_equal(found, again)


@pytest.mark.parametrize(("runtime", "choice"), CHOICES)
def test_it_says_what_it_is(runtime: str, choice: RuntimeConfig) -> None:
    info = create_runtime(runtime, choice).describe()
    assert (info.name, info.provider, info.precision, info.threads) == (
        runtime,
        choice.provider,
        choice.precision,
        choice.threads,
    )
    assert info.version[0].isdigit()
    assert info.variant == ""


def of(name: str) -> Runtime:
    return create_runtime(name, RuntimeConfig(1))


@pytest.mark.parametrize("runtime", NAMES)
def test_what_is_no_network_is_refused_in_its_name(runtime: str) -> None:
    with pytest.raises(RuntimeFailed, match=runtime.split("-")[0]):
        of(runtime).load(b"not a model")


@pytest.mark.parametrize("runtime", NAMES)
def test_an_unknown_choice_is_refused_by_name(runtime: str) -> None:
    with pytest.raises(SetupError, match="no-such-provider"):
        create_runtime(runtime, RuntimeConfig(1, provider="no-such-provider"))
    with pytest.raises(SetupError, match="fp7"):
        create_runtime(runtime, RuntimeConfig(1, precision="fp7"))
    with pytest.raises(SetupError, match="no_such_option"):
        create_runtime(runtime, RuntimeConfig(1, options={"no_such_option": "1"}))


def test_an_unknown_runtime_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(SetupError, match=r"onnxruntime.*litert"):
        create_runtime("no-such-runtime", RuntimeConfig(1))


def test_without_its_package_a_runtime_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"lpnet\[openvino\]"):
        create_runtime("openvino", RuntimeConfig(1))
    (line,) = list_support(["openvino"])
    assert not line.available
    assert line.reason is not None
    assert "lpnet[openvino]" in line.reason
