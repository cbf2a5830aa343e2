"""Every runtime computes the same function. A new one is tested once it is in the registry.

`torch-compile` only runs ResNet-20: it takes seconds for every network, precision and number of
threads, and it compiles the module that `torch` runs here for every network.
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
from lpnet.installation import install_command
from lpnet_agent.errors import RuntimeFailed, SetupError
from lpnet_agent.runtimes.base import PRECISIONS, Runtime, RuntimeConfig
from lpnet_agent.runtimes.registry import NAMES, create_runtime, list_support

# Maximum difference from the output of ONNX Runtime in float32, relative, by norms.
TOLERANCE = {"fp32": 1e-3, "fp16": 2e-2, "bf16": 6e-2, "int8": 0.3}
# On a GPU, convolutions in float32 use TF32 by default.
TOLERANCE_TF32 = 5e-3
# Small images if the network accepts them: every op runs, and the tests stay short.
RESOLUTIONS = {
    "resnet20": None,
    "resnet34": 64,
    "resnet50": 64,
    "mobilenet_v2": 64,
    "vgg16_bn": None,
    "mobilenet_v2_32": None,
}
# Compiling takes seconds for every network, so one network has to do.
SLOW = {"torch-compile": ("resnet20",)}


def supported_configs() -> Iterator[tuple[str, RuntimeConfig]]:
    """Every runtime of the registry with all that it supports here, with one and two threads."""
    for support in list_support():
        for precision in support.precisions:
            for threads in (1, 2):
                yield support.name, RuntimeConfig(threads, support.provider, precision)


def parameters(name: str, config: RuntimeConfig, *more: str) -> ParameterSet:
    parts = (name, config.provider, config.precision, f"t{config.threads}", *more)
    marks = [] if config.provider == "cpu" else [pytest.mark.cuda]
    # One network shows that threads change nothing, and one compilation is enough.
    varied = config.threads > 1 or config.precision != "fp32"
    if more and (varied if name in SLOW else config.threads > 1 and "resnet20" not in more):
        marks.append(pytest.mark.slow)
    return pytest.param(name, config, *more, id="-".join(parts), marks=marks)


SUPPORTED = list(supported_configs())
CONFIG_CASES = [parameters(name, config) for name, config in SUPPORTED]
NETWORK_CASES = [
    parameters(name, config, network)
    for name, config in SUPPORTED
    for network in SLOW.get(name, tuple(RESOLUTIONS))
]


@cache
def network(name: str) -> tuple[bytes, NDArray[np.float32], NDArray[np.float32]]:
    """A pruned network as ONNX, an input, and the output of ONNX Runtime."""
    space = zoo.space(name).at(resolution=RESOLUTIONS[name])
    rng = np.random.default_rng(7)
    widths = {
        width.name: max(
            width.granule, int(width.max * rng.uniform(0.1, 0.4)) // width.granule * width.granule
        )
        for width in space.widths
    }
    model = space.concrete(widths, batch=2)
    shape = [side.dim_value for side in model.graph.input[0].type.tensor_type.shape.dim]
    image = rng.standard_normal(shape).astype(np.float32)
    data: bytes = model.SerializeToString()
    (expected,) = (
        create_runtime("onnxruntime", RuntimeConfig(1)).load(data).infer({"input": image})
    )
    return data, image, expected


@pytest.fixture(autouse=True)
def own_settings() -> Iterator[None]:
    """Restores the settings that a runtime changes for the whole process."""
    threads = torch.get_num_threads()
    with torch._dynamo.config.patch(error_on_recompile=False):
        yield
    torch.set_num_threads(threads)


def test_every_runtime_of_the_registry_is_here() -> None:
    assert {support.name for support in list_support() if support.available} == set(NAMES)


def test_every_precision_is_supported_or_has_a_reason() -> None:
    for support in list_support():
        if support.available:
            assert not set(support.precisions) & set(support.without), support
            assert {*support.precisions, *support.without} == set(PRECISIONS), support
            assert all(support.without.values()), support


@pytest.mark.parametrize(("runtime", "config", "name"), NETWORK_CASES)
def test_it_computes_what_onnx_runtime_computes(
    runtime: str, config: RuntimeConfig, name: str
) -> None:
    data, image, expected = network(name)
    session = create_runtime(runtime, config).load(data)
    session.run(2)
    (output,) = session.infer({"input": image})
    assert output.shape == expected.shape
    assert output.dtype == np.float32
    error = float(np.linalg.norm(output - expected) / np.linalg.norm(expected))
    tf32 = config.provider != "cpu" and config.precision == "fp32"
    assert error <= (TOLERANCE_TF32 if tf32 else TOLERANCE[config.precision])
    # Timing in between does not change the result.
    session.run(1)
    (again,) = session.infer({"input": image})
    np.testing.assert_array_equal(output, again)


@pytest.mark.parametrize(("runtime", "config"), CONFIG_CASES)
def test_it_describes_itself(runtime: str, config: RuntimeConfig) -> None:
    info = create_runtime(runtime, config).describe()
    assert (info.name, info.provider, info.precision, info.threads) == (
        runtime,
        config.provider,
        config.precision,
        config.threads,
    )
    assert info.version[0].isdigit()
    assert info.variant == ""


def runtime_named(name: str) -> Runtime:
    return create_runtime(name, RuntimeConfig(1))


@pytest.mark.parametrize("runtime", NAMES)
def test_an_invalid_model_is_refused_by_name(runtime: str) -> None:
    with pytest.raises(RuntimeFailed, match=runtime.split("-")[0]):
        runtime_named(runtime).load(b"not a model")


@pytest.mark.parametrize("runtime", NAMES)
def test_an_unsupported_config_is_refused_by_name(runtime: str) -> None:
    with pytest.raises(SetupError, match="no-such-provider"):
        create_runtime(runtime, RuntimeConfig(1, provider="no-such-provider"))
    with pytest.raises(SetupError, match="fp7"):
        create_runtime(runtime, RuntimeConfig(1, precision="fp7"))
    with pytest.raises(SetupError, match="no_such_option"):
        create_runtime(runtime, RuntimeConfig(1, options={"no_such_option": "1"}))


def test_an_unknown_runtime_is_refused_with_the_supported_ones() -> None:
    with pytest.raises(SetupError, match=r"onnxruntime.*litert"):
        create_runtime("no-such-runtime", RuntimeConfig(1))


def test_without_its_package_a_runtime_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"pip install .*\[openvino\]"):
        create_runtime("openvino", RuntimeConfig(1))
    (support,) = list_support(["openvino"])
    assert not support.available
    assert support.reason == f"not installed: {install_command('openvino')}"
