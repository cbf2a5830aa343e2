"""A space as an SVG: its blocks in execution order, with their widths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from lpnet.cli.space_facts import Layer, layers

if TYPE_CHECKING:
    from lpnet.space.space import Space

# Pixels.
_BOX, _GAP, _LINE, _HEAD, _PAD, _MARGIN = 250, 28, 16, 20, 6, 16
_TITLE, _COLUMN = 40, 900
_BAR = 70
_MAX_TEXT = 23
_STYLE = (
    "text{font:11px sans-serif;fill:#222}.t{font-weight:bold}.n{text-anchor:end}"
    ".b{fill:#f6f8fa;stroke:#57606a}.w{fill:#2f81f7}.f{fill:url(#h)}"
    ".a{stroke:#57606a;fill:none}"
)
_HATCH = (
    '<pattern id="h" width="5" height="5" patternUnits="userSpaceOnUse">'
    '<rect width="5" height="5" fill="#d0d7de"/><path d="M0 5L5 0" stroke="#8c959f"/></pattern>'
)


@dataclass(frozen=True)
class _Entry:
    """A width of a block, or a frozen layer, with its max number of channels."""

    name: str
    channels: int
    frozen: bool


def svg(space: Space) -> str:
    """A picture of the blocks from top to bottom, in columns from left to right.

    A line stands for a width that layers of the block write, or for layers whose channels are
    frozen; its bar is as long as the max number of channels, relative to the largest.
    """
    boxes = [
        (block.name, _entries(space, [x for x in listed if block.start <= x.row < block.stop]))
        for listed in [layers(space)]
        for block in space.blocks
    ]
    largest = max((entry.channels for _, entries in boxes for entry in entries), default=1)
    body, x, y, bottom = [], _MARGIN, _TITLE, 0
    for index, (name, entries) in enumerate(boxes):
        height = _HEAD + _LINE * len(entries) + _PAD
        if y + height > _COLUMN and y > _TITLE:
            x, y = x + _BOX + _GAP, _TITLE
        elif index:
            body.append(f'<path class="a" d="M{x + _BOX // 2} {y - _GAP // 2}v{_GAP // 2}"/>')
        body.append(_box(name, entries, x, y, height, largest))
        bottom = max(bottom, y + height)
        y += height + _GAP // 2
    width, height = x + _BOX + _MARGIN, bottom + _MARGIN
    title = f"{space.name}: {len(space.widths)} widths, {len(space.blocks)} blocks"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}"><title>{escape(title)}</title>'
        f"<style>{_STYLE}</style><defs>{_HATCH}</defs>"
        f'<rect width="100%" height="100%" fill="#fff"/>'
        f'<text class="t" x="{_MARGIN}" y="25">{escape(title)}; shaded: frozen</text>\n'
        + "\n".join(body)
        + "\n</svg>\n"
    )


def _entries(space: Space, listed: Sequence[Layer]) -> list[_Entry]:
    largest = {width.name: width.max for width in space.widths}
    entries: dict[tuple[str, bool], _Entry] = {}
    for layer in listed:
        for width in layer.widths:
            entries[width, False] = _Entry(width, largest[width], False)
        if layer.frozen:
            entries[layer.name, True] = _Entry(layer.name, layer.frozen, True)
    return list(entries.values())


def _box(name: str, entries: Sequence[_Entry], x: int, y: int, height: int, largest: int) -> str:
    parts = [
        f'<rect class="b" x="{x}" y="{y}" width="{_BOX}" height="{height}" rx="4"/>',
        f'<text class="t" x="{x + 8}" y="{y + 15}">{_text(name, 36)}</text>',
    ]
    for index, entry in enumerate(entries):
        line = y + _HEAD + _LINE * index
        length = max(2, round(_BAR * entry.channels / largest))
        start = x + _BOX - _BAR - 8
        parts.append(
            f"<g><title>{escape(entry.name)}{' (frozen)' if entry.frozen else ''}</title>"
            f'<text x="{x + 8}" y="{line + 11}">{_text(entry.name, _MAX_TEXT)}</text>'
            f'<text class="n" x="{start - 5}" y="{line + 11}">{entry.channels}</text>'
            f'<rect class="{"f" if entry.frozen else "w"}" x="{start}" y="{line + 3}" '
            f'width="{length}" height="10"/></g>'
        )
    return "".join(parts)


def _text(name: str, most: int) -> str:
    return escape(name if len(name) <= most else "..." + name[3 - most :])
