"""Counting the parameters of a module as a space does."""

from __future__ import annotations

from torch import nn

from lpnet.space.space import Space


def folded(model: nn.Module, space: Space) -> int:
    """All parameters of a module; the norms that its space folds leave a bias to their layer."""
    modules = dict(model.named_modules())
    count = sum(parameter.numel() for parameter in model.parameters())
    for node in space.template.graph.nodes:
        norms = [modules[path] for path in node.norms if path in modules]
        count -= sum(parameter.numel() for norm in norms for parameter in norm.parameters())
        layer = modules.get(node.module)
        if node.norms and getattr(layer, "bias", None) is None:
            count += len(layer.weight)  # type: ignore[union-attr]
    return count
