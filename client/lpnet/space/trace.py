"""A torch model as an ONNX graph, with torch's exporter."""

from __future__ import annotations

import ast
import copy
import io
import logging
import re
import warnings
from collections import OrderedDict, deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import Any

import onnx_ir as ir
import torch
from torch import Tensor, nn
from torch.onnx import OnnxExporterError

from lpnet.errors import SpaceError
from lpnet.space.ir_graph import read
from lpnet.space.raw import RawGraph

Example = Tensor | Sequence[Tensor] | Mapping[str, Tensor]


# Exported at this batch size where possible. No side of a usual tensor is a multiple of it, so
# that the batch can be told from other sides.
_BATCH = 11


def trace(model: nn.Module, example_input: Example, *, batched: bool = True) -> RawGraph:
    """The graph of a model in evaluation mode with constants folded. The model is left as it was.

    With `batched` the batch size of the graph may be another one than that of the example.
    Raises SpaceError for wrong types, and if torch cannot export the model.
    """
    if not isinstance(model, nn.Module):
        raise SpaceError(f"the model must be a torch.nn.Module, got {_describe(model)}")
    args, kwargs = arguments(example_input)
    _check_initialised(model)
    with unchanged(model):
        exported = _export_batched(model, args, kwargs) if batched else None
        if exported is None:
            exported = _export(model, args, kwargs)
    leaves = {path for path, module in model.named_modules() if not any(module.children())}
    buffers = [name for name, _ in model.named_buffers(remove_duplicate=False)]
    return read(exported, tensor_layers(model), lambda node: _path(node, leaves), buffers)


def _check_initialised(model: nn.Module) -> None:
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        if nn.parameter.is_lazy(tensor):
            raise SpaceError(
                f"{name} has no shape yet, since its layer is a lazy one: run the model once "
                "before making a space of it"
            )


def _export_batched(
    model: nn.Module, args: tuple[Tensor, ...], kwargs: dict[str, Tensor]
) -> ir.Model | None:
    """The graph at another batch size. None if the inputs or the model do not allow one."""
    tensors = [*args, *kwargs.values()]
    if not all(tensor.ndim and tensor.shape[0] == tensors[0].shape[0] for tensor in tensors):
        return None
    try:
        return _export(
            model,
            tuple(_repeated(tensor) for tensor in args),
            {name: _repeated(tensor) for name, tensor in kwargs.items()},
        )
    except SpaceError:
        return None


def _repeated(tensor: Tensor) -> Tensor:
    return tensor[:1].expand(_BATCH, *tensor.shape[1:]).contiguous()


def arguments(example_input: Example) -> tuple[tuple[Tensor, ...], dict[str, Tensor]]:
    """Positional and named arguments of a forward pass. Raises SpaceError for other types."""
    if isinstance(example_input, Tensor):
        return (example_input.contiguous(),), {}
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    if isinstance(example_input, Mapping):
        args, kwargs = (), dict(example_input)
    else:
        listed = isinstance(example_input, tuple | list)
        args, kwargs = tuple(example_input) if listed else (example_input,), {}
    values = [*args, *kwargs.values()]
    wrong = [value for value in values if not isinstance(value, Tensor)]
    if wrong or not values:
        raise SpaceError(
            "the example input must be a tensor, or a tuple or dict of tensors, got "
            f"{_describe(wrong[0] if wrong else example_input)}"
        )
    return args, kwargs


def tensor_layers(model: nn.Module) -> dict[str, str]:
    """The layer of each parameter and buffer of floats, by all names that it has.

    A layer is named by the first path of its module; a tensor that is not the only weight of its
    module adds its own name. Integers are indices, and constants of the graph.
    """
    paths: dict[int, str] = {}
    for path, module in model.named_modules(remove_duplicate=False):
        paths.setdefault(id(module), path)
    layers = {}
    for path, module in model.named_modules(remove_duplicate=False):
        for name, tensor in (*module._parameters.items(), *module._buffers.items()):
            if tensor is None or not tensor.is_floating_point():
                continue
            layers[f"{path}.{name}" if path else name] = _layer(paths[id(module)], name)
    return layers


def _layer(path: str, name: str) -> str:
    path = re.sub(r"\.?parametrizations(\.\w+)?$", "", path)
    own = re.sub(r"_?(weight|bias|original\d*|running_mean|running_var)(_orig|_[gv])?$", "", name)
    return ".".join(part for part in (path, own) if part)


@contextmanager
def unchanged(model: nn.Module) -> Iterator[None]:
    """Restore the attributes of all modules afterwards: an export leaves traced tensors in them,
    and hooks."""
    before = [(module, _attributes(module)) for module in model.modules()]
    # Layout in memory is no part of a network, but the exporter writes other ops for another one.
    strided = [t for t in (*model.parameters(), *model.buffers()) if not t.is_contiguous()]
    data = [tensor.data for tensor in strided]
    try:
        for tensor in strided:
            tensor.data = tensor.data.contiguous()
        yield
    finally:
        for tensor, values in zip(strided, data, strict=True):
            tensor.data = values
        for module, attributes in before:
            vars(module).clear()
            vars(module).update(attributes)


def _attributes(module: nn.Module) -> dict[str, Any]:
    # Containers are copied, as a forward pass may add to them.
    plain = (dict, list, set, OrderedDict, deque)
    return {k: copy.copy(v) if type(v) in plain else v for k, v in vars(module).items()}


def _describe(value: object) -> str:
    if isinstance(value, type):
        return f"the class {value.__name__}: pass an instance of it"
    return f"{type(value).__name__} {value!r:.50}"


def _export(model: nn.Module, args: tuple[Tensor, ...], kwargs: dict[str, Tensor]) -> ir.Model:
    # Modules that cache what they compute in evaluation drop it in training.
    model.train()
    model.eval()
    try:
        with hidden_output(), torch.no_grad():
            program = torch.onnx.export(
                model, args, kwargs=kwargs, dynamo=True, optimize=False, verbose=False
            )
    except OnnxExporterError as error:
        reason = " ".join(str(error.__cause__ or error).split())[:500]
        raise SpaceError(f"torch cannot export the model to ONNX: {reason}") from error
    if program is None:
        raise SpaceError("torch exported no ONNX program for the model")
    exported: ir.Model = program.model
    return exported


@contextmanager
def hidden_output() -> Iterator[None]:
    # The exporter complains of missing operator libraries and of graphs that it cannot export.
    # Its exception holds what a user needs.
    torch_names = [name for name in logging.root.manager.loggerDict if name.startswith("torch.")]
    loggers = [logging.getLogger(name) for name in ("torch", *torch_names)]
    # A level also holds for loggers that come later, but takes long to set: it clears all caches.
    enabled = [logger for logger in loggers if not logger.disabled]
    level, hidden = loggers[0].level, io.StringIO()
    try:
        loggers[0].setLevel(logging.CRITICAL + 1)
        for logger in enabled:
            logger.disabled = True
        with warnings.catch_warnings(), redirect_stdout(hidden), redirect_stderr(hidden):
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger in enabled:
            logger.disabled = False
        loggers[0].setLevel(level)


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
