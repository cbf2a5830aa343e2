"""From a torch model to a template: it is traced, solved, and each width is tried."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from lpnet.space.compiling import Parts, compile_frozen, parts
from lpnet.space.solver.state import Event
from lpnet.space.trace import Example, arguments, trace
from lpnet.space.trial import Trial


def compile_model(model: nn.Module, example_input: Example, frozen: Sequence[str]) -> Parts:
    """Template, blocks, batch size, what is frozen, the output channels of all layers, and the
    parameters of rows.

    `frozen` are patterns of layer names. Raises SpaceError for one that matches none.
    """
    raw = trace(model, example_input)
    keep: dict[str, Event] = {}
    compiled = compile_frozen(raw, frozen, keep)
    if compiled.lost is not None:
        raw = trace(model, example_input, batched=False)
        compiled = compile_frozen(raw, frozen, keep)
    trial = Trial(model, example_input)
    while failing := trial.failing(compiled.template, compiled.axes):
        for width, error in failing.items():
            layer = width.split("#", maxsplit=1)[0]
            keep[layer] = Event(layer, "forward", f"cutting it fails: {error}")
        compiled = compile_frozen(raw, frozen, keep)
    if trial.attributes:
        compiled = compile_frozen(raw, frozen, keep, attributes=trial.attributes)
    args, kwargs = arguments(example_input)
    tensor = next(iter((*args, *kwargs.values())))
    batch = tensor.shape[0] if tensor.ndim else 1
    return parts(compiled, batch)
