"""The error of metadata that a space file should not have."""

from __future__ import annotations

from pydantic import ValidationError

from lpnet.errors import FileFormatError
from lpnet.space.limits import MAX_NAME_LENGTH


def damaged(key: str, error: ValidationError) -> FileFormatError:
    """Names the first field of the metadata `key` that is wrong."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    field = ".".join(map(str, (key, *first["loc"])))
    return FileFormatError(
        f"the space file is damaged: {field[:MAX_NAME_LENGTH]}: {first['msg'][:500]}"
    )
