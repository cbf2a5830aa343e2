"""Every runtime computes general spaces as ONNX Runtime does, or refuses them by op."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from tests.harness.general_models import MODELS

from lpnet.space.space import Space
from lpnet_agent.errors import RuntimeFailed
from lpnet_agent.runtimes.base import RuntimeConfig
from lpnet_agent.runtimes.filling import random_input
from lpnet_agent.runtimes.registry import NAMES, create_runtime, list_support

Arrays = dict[str, NDArray[Any]]
# Compiling takes seconds for every network.
RUNTIMES = [name for name in NAMES if name != "torch-compile"]
# The op or tensor that a runtime refuses first, by space; it computes all others.
REFUSED = {
    "torch": {"recurrent": "LSTM"},
    "litert": {
        "gates": "PRelu",
        "encoder": "tensor 'input': its type is int64",
        "hourglass": "InstanceNormalization",
        "bytes": "tensor 'input': its type is uint8",
        "signal": "Conv 'first'",
        "volume": "Conv 'first'",
        "recurrent": "MatMul",
    },
}
QUANTISING = [
    support.name
    for support in list_support()
    if "int8" in support.precisions and support.available
]
SINGLE = frozenset({"recurrent"})


@pytest.fixture(scope="session")
def spaces() -> dict[str, bytes]:
    """The file of the space of each network, as an agent gets it."""
    with torch.random.fork_rng(devices=[]):
        return {
            name: Space.from_model(make(), example, name=name).to_bytes()
            for name, (make, example) in MODELS.items()
        }


@pytest.fixture(autouse=True)
def own_settings() -> Iterator[None]:
    """Restores the settings that a runtime changes for the whole process."""
    threads = torch.get_num_threads()
    with torch._dynamo.config.patch(error_on_recompile=False):
        yield
    torch.set_num_threads(threads)


def concrete(space: Space, name: str) -> bytes:
    """About half of each width, for two inputs."""
    halves = [max(1, w.max // 2 // w.granule) * w.granule for w in space.widths]
    model = space.concrete(halves, batch=1 if name in SINGLE else 2)
    data: bytes = model.SerializeToString()
    return data


def inputs_of(data: bytes) -> Arrays:
    rng = np.random.default_rng(3)
    return {
        info.name: random_input(
            [side.dim_value for side in info.type.tensor_type.shape.dim],
            onnx.helper.tensor_dtype_to_np_dtype(info.type.tensor_type.elem_type),
            rng,
        )
        for info in onnx.load_from_string(data).graph.input
    }


def check(runtime: str, data: bytes) -> None:
    session = create_runtime(runtime, RuntimeConfig(1)).load(data)
    session.run(2)
    inputs = inputs_of(data)
    outputs = session.infer(inputs)
    expected = create_runtime("onnxruntime", RuntimeConfig(1)).load(data).infer(inputs)
    assert len(outputs) == len(expected) == len(onnx.load_from_string(data).graph.output)
    for ours, theirs in zip(outputs, expected, strict=True):
        assert ours.shape == theirs.shape
        assert ours.dtype == np.float32
        assert np.isfinite(theirs).all()
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-3 * np.abs(theirs).max())
    # Timing in between does not change the result.
    session.run(1)
    for ours, again in zip(outputs, session.infer(inputs), strict=True):
        np.testing.assert_array_equal(ours, again)


def refused(runtime: str, data: bytes) -> str | None:
    try:
        create_runtime(runtime, RuntimeConfig(1)).load(data)
    except RuntimeFailed as error:
        return str(error)
    return None


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_network_agrees_or_its_op_is_named(
    spaces: dict[str, bytes], runtime: str, name: str
) -> None:
    data = concrete(Space.from_bytes(spaces[name]), name)
    reason = REFUSED.get(runtime, {}).get(name)
    if reason is None:
        check(runtime, data)
        return
    with pytest.raises(RuntimeFailed, match=f"{runtime} cannot load {reason}"):
        create_runtime(runtime, RuntimeConfig(1)).load(data)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("runtime", RUNTIMES)
def test_every_block_agrees_or_is_refused_by_name(
    spaces: dict[str, bytes], runtime: str, name: str
) -> None:
    space = Space.from_bytes(spaces[name])
    for block in space.blocks:
        data = concrete(space.block(block.name), name)
        refusal = refused(runtime, data)
        if refusal is None:
            check(runtime, data)
            continue
        assert name in REFUSED[runtime]
        graph = onnx.load_from_string(data).graph
        names = [f"{node.op_type} {node.name!r}" for node in graph.node]
        names += [f"tensor {info.name!r}" for info in graph.input]
        assert any(f"{runtime} cannot load {part}" in refusal for part in names)


@pytest.mark.parametrize("name", ["gates", "encoder"])
def test_compiled_networks_agree(spaces: dict[str, bytes], name: str) -> None:
    check("torch-compile", concrete(Space.from_bytes(spaces[name]), name))


@pytest.mark.parametrize("name", ["bytes", "encoder", "gates"])
@pytest.mark.parametrize("runtime", QUANTISING)
def test_8_bit_networks_are_close(spaces: dict[str, bytes], runtime: str, name: str) -> None:
    data = concrete(Space.from_bytes(spaces[name]), name)
    inputs = inputs_of(data)
    session = create_runtime(runtime, RuntimeConfig(1, precision="int8")).load(data)
    expected = create_runtime("onnxruntime", RuntimeConfig(1)).load(data).infer(inputs)
    for ours, theirs in zip(session.infer(inputs), expected, strict=True):
        assert np.linalg.norm(ours - theirs) <= 0.3 * np.linalg.norm(theirs)


def test_blocks_of_several_inputs_and_outputs_are_here(spaces: dict[str, bytes]) -> None:
    models = [
        space.block(block.name).concrete(space.block(block.name).dense).graph
        for space in map(Space.from_bytes, spaces.values())
        for block in space.blocks
    ]
    assert any(len(graph.input) > 1 for graph in models)
    assert any(len(graph.output) > 1 for graph in models)
