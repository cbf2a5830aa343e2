"""Attributes of attention modules that count heads, or channels of all heads."""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn

from lpnet.space.kept import Atoms
from lpnet.space.template import Template

# Names that common libraries use. What a module computes is compared afterwards, so a name that
# means something else cannot go unnoticed.
_HEADS = ("num_heads", "n_heads", "n_head", "nhead", "heads", "num_attention_heads", "nheads")
_CHANNELS = (
    *("all_head_size", "inner_dim", "embed_dim", "attn_dim", "inner_kv_dim", "dim_attn"),
    *("key_dim", "value_dim", "hidden_size", "kdim", "vdim", "dim_head_total", "output_dim"),
)


def update_heads(template: Template, model: nn.Module, atoms: Atoms) -> None:
    """Set counts of heads where heads were removed."""
    for width in template.widths:
        kept = len(atoms[width.name])
        if not width.layout or kept == width.atoms:
            continue
        per_head = max(run.inner for run in width.layout)
        if per_head == 1:
            continue
        for module in _owners(template, model, width.name):
            _scale(module, _HEADS, width.atoms, kept)
            _scale(module, _CHANNELS, width.atoms * per_head, kept * per_head)


def _scale(module: nn.Module, names: tuple[str, ...], dense: int, kept: int) -> None:
    for name in names:
        value = vars(module).get(name)
        if type(value) is int and value == dense:
            setattr(module, name, kept)


def _owners(template: Template, model: nn.Module, width: str) -> Iterator[nn.Module]:
    """The modules that hold layers of a width, and those two levels above."""
    owners: dict[int, nn.Module] = {}
    for parameter in template.parameters:
        if any(width in axis.widths for axis in parameter.axes):
            parts = parameter.name.split(".")[:-1]
            for stop in range(max(0, len(parts) - 2), len(parts) + 1):
                module = _submodule(model, ".".join(parts[:stop]))
                if module is not None:
                    owners[id(module)] = module
    yield from owners.values()


def _submodule(model: nn.Module, path: str) -> nn.Module | None:
    try:
        return model.get_submodule(path)
    except AttributeError:
        return None
