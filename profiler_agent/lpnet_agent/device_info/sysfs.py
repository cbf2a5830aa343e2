"""Small files of /proc and /sys, which may be missing, unreadable, empty, or fail when read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import overload

_PIECE = 1 << 16
_MOST_DIGITS = 20


def text(path: Path) -> str:
    """What a file says, stripped; "" where it is missing, unreadable or its driver fails.

    Read by the system's own calls: a zone of a Jetson whose unit is off answers EAGAIN, which
    Python's files turn into a TypeError. Nothing here waits, not even for a pipe.
    """
    try:
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError):
        return ""
    try:
        pieces = []
        while piece := os.read(file, _PIECE):
            pieces.append(piece)
    except OSError:
        return ""
    finally:
        os.close(file)
    return b"".join(pieces).decode(errors="replace").strip().strip("\x00")


@overload
def number(path: Path) -> int | None: ...


@overload
def number(path: Path, scale: float) -> float | None: ...


def number(path: Path, scale: float | None = None) -> float | None:
    """The integer that a file holds, times `scale` where there is one; None for anything else."""
    value = integer(text(path))
    return value if value is None or scale is None else value * scale


def integer(word: str) -> int | None:
    """The integer that a word is; None for anything else, and for what no counter reaches."""
    digits = word.strip().removeprefix("-")
    if not (digits.isascii() and digits.isdecimal() and len(digits) <= _MOST_DIGITS):
        return None
    return int(word)


def entries(folder: Path, pattern: str = "*") -> list[Path]:
    """What is in a folder, sorted with numbers in their order; nothing where it is missing."""
    try:
        return sorted(folder.glob(pattern), key=lambda path: (len(path.name), path.name))
    except OSError:
        return []


def cpu_list(words: str) -> tuple[int, ...] | None:
    """The cores of a list as the kernel writes it: "0-2,7" is 0, 1, 2, 7. None for anything else,
    the empty list included."""
    found: set[int] = set()
    for part in words.split(","):
        first, dash, last = part.partition("-")
        low, high = integer(first), integer(last) if dash else integer(first)
        if low is None or high is None or not 0 <= low <= high < 1 << 16:
            return None
        found.update(range(low, high + 1))
    return tuple(sorted(found))


def cpu_folder(root: Path, core: int) -> Path:
    """Where a core says what it is."""
    return root / f"sys/devices/system/cpu/cpu{core}"


def fields(path: Path, separator: str = ":") -> dict[str, str]:
    """A file of lines `name: value`, such as /proc/meminfo."""
    pairs = (line.partition(separator) for line in text(path).splitlines())
    return {name.strip(): value.strip() for name, sign, value in pairs if sign}
