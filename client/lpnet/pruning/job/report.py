"""The files of a pruning job: its report, a chart of the widths, and the network."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import torch
from safetensors.torch import save_file
from torch import nn

from lpnet.pruning.job import subnormals
from lpnet.pruning.job.exported import ExportedWeights, examine
from lpnet.pruning.job.images import ImageDataset
from lpnet.pruning.job.job import Outcome
from lpnet.space.space import Space
from lpnet.space.trace import hidden_output
from lpnet.subnormals import significant

# Sizes in the chart, in pixels.
_ROW, _BAR, _MARGIN, _LABEL = 16, 360, 12, 7


def figures(outcome: Outcome) -> dict[str, Any]:
    plain = asdict(replace(outcome, small=nn.Identity()))
    del plain["small"]
    return plain | {"kept": outcome.kept, "subnormal_pct": significant(outcome.subnormal_pct)}


def write(
    outcome: Outcome,
    space: Space,
    folder: Path,
    images: ImageDataset,
    *,
    zero_subnormals: bool = False,
) -> tuple[dict[str, Path], ExportedWeights]:
    """Write report, chart, weights and ONNX into a folder; returns the files by content, and the
    subnormal weights of the ONNX file.

    Report, weights and ONNX hold how an image becomes an input, and the classes in the order of
    the outputs. The weights are a state dict whose metadata holds the widths: prune a model of the
    same class to those widths with `Space.prune`, or rebuild it, and load them. With
    `zero_subnormals`, subnormal weights are set to zero in `outcome.small` and in all files.
    """
    files = {
        "report": folder / "report.json",
        "widths": folder / "widths.svg",
        "weights": folder / "model.safetensors",
        "onnx": folder / "model.onnx",
    }
    # Exported before they are zeroed, so that their effect can be measured.
    facts = {"input": images.preprocessing, "classes": list(images.classes)}
    export(outcome.small, space, files["onnx"], facts)
    exported = examine(files["onnx"], images, zero=zero_subnormals)
    if zero_subnormals:
        subnormals.zero_subnormals(outcome.small)
    report = figures(outcome) | {"subnormals": exported.facts()} | facts
    files["report"].write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    files["widths"].write_text(chart(outcome.chosen.widths, space), encoding="utf-8")
    metadata = {name: json.dumps(value) for name, value in facts.items()}
    metadata |= {"widths": json.dumps(outcome.chosen.widths), "space": space.hash}
    save_file(_state(outcome.small), files["weights"], metadata=metadata)
    return files, exported


def _state(small: nn.Module) -> dict[str, torch.Tensor]:
    """The state dict with a copy of each tensor that layers share: a file holds no shared ones."""
    state: dict[str, torch.Tensor] = {}
    memory: set[int] = set()
    for name, value in small.state_dict().items():
        value = value.contiguous()
        state[name] = value.clone() if value.untyped_storage().data_ptr() in memory else value
        memory.add(value.untyped_storage().data_ptr())
    return state


def export(
    small: nn.Module, space: Space, file: Path, facts: Mapping[str, Any] | None = None
) -> None:
    """Write the network as ONNX, with facts as JSON in its metadata: `lpnet_NAME`."""
    example = torch.zeros(space.batch, *space.input_shape)
    small.eval()
    with hidden_output():
        program = torch.onnx.export(small, (example,), dynamo=True, verbose=False)
    assert program is not None
    for name, value in (facts or {}).items():
        program.model.metadata_props[f"lpnet_{name}"] = json.dumps(value)
    program.save(str(file))


def chart(widths: dict[str, int], space: Space) -> str:
    """SVG with a bar for each width in execution order: channels kept, of all."""
    name_length = max(len(name) for name in widths)
    left = _MARGIN + _LABEL * name_length
    max_channels = max(width.max for width in space.widths)
    rows = []
    for index, width in enumerate(space.widths):
        top = _MARGIN + index * _ROW
        kept = widths[width.name]
        scale = _BAR / max_channels
        rows += [
            f'<text x="{left - 6}" y="{top + 11}" text-anchor="end">{escape(width.name)}</text>',
            f'<rect x="{left}" y="{top + 2}" width="{width.max * scale:.1f}" height="11" '
            'class="all"/>',
            f'<rect x="{left}" y="{top + 2}" width="{kept * scale:.1f}" height="11" '
            'class="kept"/>',
            f'<text x="{left + width.max * scale + 6:.1f}" y="{top + 11}">{kept} of {width.max}'
            "</text>",
        ]
    wide = left + _BAR + 110
    high = 2 * _MARGIN + _ROW * len(space.widths)
    style = (
        "text{font:11px ui-monospace,monospace;fill:#334155}.all{fill:#e2e8f0}.kept{fill:#2563eb}"
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{wide}" height="{high}" role="img" '
        f'aria-label="channels kept of each width"><style>{style}</style>'
        f'<rect width="100%" height="100%" fill="#fff"/>{"".join(rows)}</svg>\n'
    )
