"""What a stored space holds, as numbers and names and as a diagram."""

from __future__ import annotations

from typing import Literal

from lpnet.schemas.space import SpaceSummary
from lpnet.space import diagram
from lpnet.space.space import Space
from lpnet.space.summary import summary
from lpnet_service.services.shared import spaces
from lpnet_service.services.shared.context import Context
from lpnet_service.services.shared.loaded_spaces import load_space
from lpnet_service.services.shared.width_limits import LoadedSpace

Colours = Literal["light", "dark"]
_COLOURS = {"light": diagram.LIGHT, "dark": diagram.DARK}


def get(ctx: Context, hash_: str) -> SpaceSummary:
    """Raises NotFound."""
    return summary(_space(ctx, hash_))


def svg(ctx: Context, hash_: str, colours: Colours) -> str:
    """Raises NotFound."""
    return diagram.svg(_space(ctx, hash_), _COLOURS[colours])


def _space(ctx: Context, hash_: str) -> Space:
    space = load_space(ctx, hash_).space
    if space.channels:
        return space
    # The file may have got the reasons since, in any process; it gets them once.
    space = Space.from_bytes(spaces.file(ctx, hash_))
    if space.channels:
        ctx.spaces.put(hash_, LoadedSpace.of(space))
    return space
