"""From a torch model to a template: it is traced, solved, and each width is tried."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

from torch import nn

from lpnet.errors import SpaceError
from lpnet.space.blocks import Block, partition
from lpnet.space.compiling import Compiled, Frozen, compile_graph
from lpnet.space.raw import RawGraph
from lpnet.space.solver.state import Event
from lpnet.space.template import Template
from lpnet.space.trace import Example, arguments, trace
from lpnet.space.trial import Trial

Parts = tuple[Template, tuple[Block, ...], int, tuple[Frozen, ...], int]


def compile_model(model: nn.Module, example_input: Example, frozen: Sequence[str]) -> Parts:
    """Template, blocks, batch size, what is frozen, and the output channels of all layers.

    `frozen` are patterns of layer names. Raises SpaceError for one that matches none.
    """
    raw = trace(model, example_input)
    keep: dict[str, Event] = {}
    compiled = _compiled(raw, frozen, keep)
    if compiled.lost is not None:
        raw = trace(model, example_input, batched=False)
        compiled = _compiled(raw, frozen, keep)
    trial = Trial(model, example_input)
    while failing := trial.failing(compiled.template):
        for width, error in failing.items():
            layer = width.split("#", maxsplit=1)[0]
            keep[layer] = Event(layer, "forward", f"the forward pass fails: {error}")
        compiled = _compiled(raw, frozen, keep)
    args, kwargs = arguments(example_input)
    tensor = next(iter((*args, *kwargs.values())))
    batch = tensor.shape[0] if tensor.ndim else 1
    blocks = partition(compiled.template)
    return compiled.template, blocks, batch, compiled.frozen, compiled.channels


def _compiled(raw: RawGraph, frozen: Sequence[str], keep: Mapping[str, Event]) -> Compiled:
    compiled = compile_graph(raw, keep)
    if not frozen:
        return compiled
    by_hand = dict(keep)
    for pattern in frozen:
        names = [name for name in compiled.layers if fnmatchcase(name, pattern)]
        if not names:
            raise SpaceError(
                f"frozen: no layer matches {pattern!r}; layers are "
                f"{', '.join(compiled.layers)[:1000]}"
            )
        event = Event(pattern, "frozen", "frozen by hand")
        by_hand |= dict.fromkeys(names, event)
    return compile_graph(raw, by_hand)
