"""A torch model as an ONNX graph, with torch's exporter."""

from __future__ import annotations

import ast
import io
import logging
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import Any

import onnx_ir as ir
import torch
from onnx_ir.passes.common import RemoveUnusedNodesPass
from onnxscript.optimizer import fold_constants
from torch import Tensor, nn
from torch.onnx import OnnxExporterError

from lpnet.errors import SpaceError
from lpnet.space.raw import RawGraph, RawNode, Shape


def trace(model: nn.Module, example_input: Tensor) -> RawGraph:
    """The graph of a model in evaluation mode with constants folded. The model keeps its modes.

    Raises SpaceError for wrong types, and if torch cannot export the model.
    """
    if not isinstance(model, nn.Module):
        raise SpaceError(f"the model must be a torch.nn.Module, got {_describe(model)}")
    if not isinstance(example_input, Tensor):
        raise SpaceError(f"the example input must be a tensor, got {_describe(example_input)}")
    exported = _export(model, example_input)
    graph = exported.graph
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        raise SpaceError(
            f"the model has {len(graph.inputs)} inputs and {len(graph.outputs)} outputs; "
            "a space has a single input tensor and a single output tensor"
        )
    named = {name for name, _ in model.named_parameters()}
    named |= {name for name, _ in model.named_buffers()}
    leaves = {path for path, module in model.named_modules() if not any(module.children())}
    source, output = graph.inputs[0], graph.outputs[0]
    return RawGraph(
        nodes=tuple(_node(node, leaves) for node in graph if node.op_type != "Constant"),
        input=_name(source),
        input_shape=tuple(example_input.shape),
        output=_name(output),
        parameters={n: s for n, s in _initializer_shapes(graph) if n in named},
        constants=_constants(graph, named),
        shapes={v.name: s for n in graph for v in n.outputs if v.name and (s := _shape(v))},
    )


def _describe(value: object) -> str:
    if isinstance(value, type):
        return f"the class {value.__name__}: pass an instance of it"
    return f"{type(value).__name__} {value!r:.50}"


def _export(model: nn.Module, example_input: Tensor) -> ir.Model:
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        with hidden_output(), torch.no_grad():
            program = torch.onnx.export(
                model, (example_input,), dynamo=True, optimize=False, verbose=False
            )
    except OnnxExporterError as error:
        reason = " ".join(str(error.__cause__ or error).split())[:500]
        raise SpaceError(f"torch cannot export the model to ONNX: {reason}") from error
    finally:
        for module, training in modes.items():
            module.training = training
    if program is None:
        raise SpaceError("torch exported no ONNX program for the model")
    exported: ir.Model = program.model
    fold_constants(exported)
    RemoveUnusedNodesPass()(exported)
    return exported


@contextmanager
def hidden_output() -> Iterator[None]:
    # The exporter complains of missing operator libraries and of graphs that it cannot export.
    # Its exception holds what a user needs.
    torch_names = [name for name in logging.root.manager.loggerDict if name.startswith("torch.")]
    loggers = [logging.getLogger(name) for name in ("torch", *torch_names)]
    levels = [logger.level for logger in loggers]
    hidden = io.StringIO()
    try:
        for logger in loggers:
            logger.setLevel(logging.CRITICAL + 1)
        with warnings.catch_warnings(), redirect_stdout(hidden), redirect_stderr(hidden):
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _node(node: ir.Node, leaves: set[str]) -> RawNode:
    return RawNode(
        name=node.name or node.op_type,
        op=node.op_type,
        inputs=tuple("" if value is None else _name(value) for value in node.inputs),
        outputs=tuple(_name(value) for value in node.outputs),
        attributes={name: attr.value for name, attr in node.attributes.items()},
        path=_path(node, leaves),
    )


def _path(node: ir.Node, leaves: set[str]) -> str:
    # The name of the call follows the path of the module unless the module is a leaf. The exporter
    # records the scopes as the text of a list.
    text = node.metadata_props.get("pkg.torch.onnx.name_scopes")
    scopes: list[str] = ast.literal_eval(text) if text else []
    if len(scopes) < 2:
        return node.op_type.lower()
    module, call = scopes[-2], re.sub(r"_\d+$", "", scopes[-1])
    if module and module in leaves:
        return module
    return f"{module}.{call}" if module else call


def _initializer_shapes(graph: ir.Graph) -> Iterator[tuple[str, Shape]]:
    for name, value in graph.initializers.items():
        if (shape := _shape(value)) is not None:
            yield name, shape


def _constants(graph: ir.Graph, named: set[str]) -> dict[str, Any]:
    constants: dict[str, Any] = {}
    for name, value in graph.initializers.items():
        if name not in named and value.const_value is not None:
            constants[name] = value.const_value.numpy()
    for node in graph:
        if node.op_type == "Constant" and "value" in node.attributes:
            constants[_name(node.outputs[0])] = node.attributes["value"].as_tensor().numpy()
    return constants


def _shape(value: ir.Value) -> Shape | None:
    shape = value.shape
    if shape is None or not all(isinstance(d, int) for d in shape):
        return None
    return tuple(int(d) for d in shape)  # type: ignore[arg-type]


def _name(value: ir.Value) -> str:
    if value.name is None:
        raise SpaceError("the exported graph holds a tensor without a name")
    return value.name
