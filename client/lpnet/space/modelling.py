"""From a torch model to a template: it is traced, solved, and each width is tried."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from torch import nn

from lpnet.space.compiling import Compiled, Parts, compile_frozen, parts
from lpnet.space.solver.state import Event
from lpnet.space.ties import proposed
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
    failing = trial.failing(compiled.template, compiled.axes)
    ties = proposed(compiled.axes, failing) if failing else ()
    if ties:
        tied, choices = compile_frozen(raw, frozen, ties=ties), dict(trial.choices)
        remaining = trial.failing(tied.template, tied.axes)
        if _free(tied, remaining) > _free(compiled, failing):
            compiled, failing = tied, remaining
        else:
            ties, trial.choices = (), choices
    while failing:
        for width, error in failing.items():
            layer = _layer(width)
            keep[layer] = Event(layer, "forward", f"cutting it fails: {error}")
        compiled = compile_frozen(raw, frozen, keep, ties=ties)
        failing = trial.failing(compiled.template, compiled.axes)
    if trial.attributes:
        compiled = compile_frozen(raw, frozen, keep, trial.attributes, ties)
    args, kwargs = arguments(example_input)
    tensor = next(iter((*args, *kwargs.values())))
    batch = tensor.shape[0] if tensor.ndim else 1
    return parts(compiled, batch)


def _layer(width: str) -> str:
    return width.split("#", maxsplit=1)[0]


def _free(compiled: Compiled, failing: Collection[str]) -> int:
    """Channels of layers that can be cut."""
    kept = {_layer(name) for name in failing}
    return sum(width.max for width in compiled.template.widths if _layer(width.name) not in kept)
