"""A space as an SVG: its blocks in execution order, with their widths."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from lpnet.space.summary import Layer, layers

if TYPE_CHECKING:
    from lpnet.space.space import Space

# Pixels.
_BOX, _GAP, _LINE, _HEAD, _PAD, _MARGIN = 250, 28, 16, 20, 6, 16
_TITLE, _COLUMN = 40, 900
_BAR = 70
# Above the width of most letters in bold.
_LETTER = 7
_MAX_TEXT = 23
# Characters that XML cannot hold; names in a file may have them.
_NO_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class Colours:
    """Colours of a diagram. They are attributes of its elements, since a browser applies no style
    of an SVG that a strict policy covers."""

    ground: str
    text: str
    box: str
    line: str
    width: str
    shade: str
    stroke: str


LIGHT = Colours("#ffffff", "#1c1d1a", "#f7f7f5", "#5a5c55", "#0f766e", "#dcdcd6", "#8a8a82")
DARK = Colours("#1b1e1b", "#e8eae5", "#232723", "#a9afa6", "#4fc4b5", "#323732", "#7d857c")


@dataclass(frozen=True)
class _Entry:
    """A width of a block, or a frozen layer, with its max number of channels."""

    name: str
    channels: int
    frozen: bool


@dataclass(frozen=True)
class _Box:
    """A block with the position of its box, in pixels."""

    name: str
    entries: Sequence[_Entry]
    x: int
    y: int

    @property
    def height(self) -> int:
        return _HEAD + _LINE * len(self.entries) + _PAD


def svg(space: Space, colours: Colours = LIGHT) -> str:
    """A diagram of the blocks from top to bottom, in columns from left to right.

    A line stands for a width that layers of the block write, or for layers whose channels are
    frozen; its bar is as long as the max number of channels, relative to the largest.
    """
    boxes = _boxes(space)
    largest = max((entry.channels for box in boxes for entry in box.entries), default=1)
    body = []
    for index, box in enumerate(boxes):
        if index and box.y > _TITLE:
            arrow = f"M{box.x + _BOX // 2} {box.y - _GAP // 2}v{_GAP // 2}"
            body.append(f'<path class="a" stroke="{colours.line}" d="{arrow}"/>')
        body.append(_drawn(box, largest, colours))
    width = max((box.x for box in boxes), default=0) + _BOX + _MARGIN
    height = max((box.y + box.height for box in boxes), default=_TITLE) + _MARGIN
    title = f"{space.name[:60]}: {len(space.widths)} widths, {len(space.blocks)} blocks"
    heading = f"{title}; shaded: frozen"
    width = max(width, 2 * _MARGIN + _LETTER * len(heading))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="11" '
        f'fill="{colours.text}"><title>{_escaped(title)}</title><defs>{_hatch(colours)}</defs>'
        f'<rect width="100%" height="100%" fill="{colours.ground}"/>'
        f'<text font-weight="bold" x="{_MARGIN}" y="25">{_escaped(heading)}</text>\n'
        + "\n".join(body)
        + "\n</svg>\n"
    )


def _boxes(space: Space) -> list[_Box]:
    listed = layers(space)
    boxes: list[_Box] = []
    x, y = _MARGIN, _TITLE
    for block in space.blocks:
        inside = [layer for layer in listed if block.start <= layer.row < block.stop]
        box = _Box(block.name, _entries(space, inside), x, y)
        if y + box.height > _COLUMN and y > _TITLE:
            x, y = x + _BOX + _GAP, _TITLE
            box = replace(box, x=x, y=y)
        boxes.append(box)
        y += box.height + _GAP // 2
    return boxes


def _hatch(colours: Colours) -> str:
    return (
        '<pattern id="h" width="5" height="5" patternUnits="userSpaceOnUse">'
        f'<rect width="5" height="5" fill="{colours.shade}"/>'
        f'<path d="M0 5L5 0" stroke="{colours.stroke}"/></pattern>'
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


def _drawn(box: _Box, largest: int, colours: Colours) -> str:
    x, y = box.x, box.y
    parts = [
        f'<rect class="b" fill="{colours.box}" stroke="{colours.line}" x="{x}" y="{y}" '
        f'width="{_BOX}" height="{box.height}" rx="4"/>',
        f'<text font-weight="bold" x="{x + 8}" y="{y + 15}">{_text(box.name, 36)}</text>',
    ]
    for index, entry in enumerate(box.entries):
        line = y + _HEAD + _LINE * index
        length = max(2, round(_BAR * entry.channels / largest))
        start = x + _BOX - _BAR - 8
        kind, fill = ("f", "url(#h)") if entry.frozen else ("w", colours.width)
        parts.append(
            f"<g><title>{_escaped(entry.name)}{' (frozen)' if entry.frozen else ''}</title>"
            f'<text x="{x + 8}" y="{line + 11}">{_text(entry.name, _MAX_TEXT)}</text>'
            f'<text text-anchor="end" x="{start - 5}" y="{line + 11}">{entry.channels}</text>'
            f'<rect class="{kind}" fill="{fill}" x="{start}" y="{line + 3}" '
            f'width="{length}" height="10"/></g>'
        )
    return "".join(parts)


def _text(name: str, max_length: int) -> str:
    return _escaped(name if len(name) <= max_length else "..." + name[3 - max_length :])


def _escaped(text: str) -> str:
    return escape(_NO_XML.sub("\ufffd", text))
