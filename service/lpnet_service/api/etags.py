"""Entity tags of files, which never change under their name and are cached by clients."""

from __future__ import annotations

from lpnet_service.api.problems import Responses

_BYTES = {"schema": {"type": "string", "format": "binary"}}
OCTETS: Responses = {
    200: {
        "description": "The file",
        "content": {"application/octet-stream": _BYTES},
        "headers": {"ETag": {"description": "its sha256", "schema": {"type": "string"}}},
    },
    304: {"description": "The client has this file already"},
}


def matches(if_none_match: str | None, tag: str) -> bool:
    if if_none_match is None:
        return False
    tags = [part.strip().removeprefix("W/").strip('"') for part in if_none_match.split(",")]
    return tag in tags or "*" in tags
