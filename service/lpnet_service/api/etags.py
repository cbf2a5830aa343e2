"""Files that never change under their name: asked for again, they need not be sent."""

from __future__ import annotations

from lpnet_service.api.problems import Responses

_BYTES = {"schema": {"type": "string", "format": "binary"}}
OCTETS: Responses = {
    200: {
        "description": "The file",
        "content": {"application/octet-stream": _BYTES},
        "headers": {"ETag": {"description": "its sha256", "schema": {"type": "string"}}},
    },
    304: {"description": "The file that `If-None-Match` names is this one"},
}


def matches(if_none_match: str | None, tag: str) -> bool:
    """Whether a request says that it has the file already."""
    if if_none_match is None:
        return False
    named = [part.strip().removeprefix("W/").strip('"') for part in if_none_match.split(",")]
    return tag in named or "*" in named
