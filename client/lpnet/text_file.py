"""Text files that users write: UTF-8, with or without a byte order mark."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from lpnet.errors import FileFormatError

BYTE_ORDER_MARK = "\ufeff"
_UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff")


@contextmanager
def open_text(path: Path) -> Iterator[TextIO]:
    """The file as text, with `\\n` at the end of every line and without a leading byte order mark.

    Raises FileFormatError, naming the file, if it is missing or not UTF-8, also while it is read.
    """
    try:
        with path.open("rb") as file:
            _check_encoding(path, file.peek(4)[:4])
            with io.TextIOWrapper(file, encoding="utf-8-sig") as text:
                yield text
    except OSError as error:
        raise FileFormatError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise FileFormatError(f"{path} is not UTF-8 text; save it as UTF-8") from error


def _check_encoding(path: Path, start: bytes) -> None:
    # Without a byte order mark, the zero bytes of ASCII characters give it away.
    if start.startswith(_UTF_16_MARKS) or b"\0" in start:
        raise FileFormatError(f"{path} is UTF-16 text or not text at all; save it as UTF-8")
