"""Small files of /proc and /sys, which may be missing, unreadable, empty, or fail on reading."""

from __future__ import annotations

import os
from pathlib import Path
from typing import overload

_CHUNK = 1 << 16
_MAX_DIGITS = 20


def text(path: Path) -> str:
    """The stripped content of a file; "" if it is missing, unreadable or its driver fails.

    It uses system calls because a Jetson's zone returns EAGAIN while its unit is off. Python's
    file objects turn that into a TypeError. It never blocks, not even on a pipe.
    """
    try:
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError):
        return ""
    try:
        chunks = []
        while chunk := os.read(file, _CHUNK):
            chunks.append(chunk)
    except OSError:
        return ""
    finally:
        os.close(file)
    return b"".join(chunks).decode(errors="replace").strip().strip("\x00")


@overload
def number(path: Path) -> int | None: ...


@overload
def number(path: Path, scale: float) -> float | None: ...


def number(path: Path, scale: float | None = None) -> float | None:
    value = integer(text(path))
    return value if value is None or scale is None else value * scale


def integer(string: str) -> int | None:
    """The integer in a string; None for anything else, and beyond the range of any counter."""
    digits = string.strip().removeprefix("-")
    if not (digits.isascii() and digits.isdecimal() and len(digits) <= _MAX_DIGITS):
        return None
    return int(string)


def entries(folder: Path, pattern: str = "*") -> list[Path]:
    """The entries of a folder, numbers in numeric order; empty if it is missing."""
    try:
        return sorted(folder.glob(pattern), key=lambda path: (len(path.name), path.name))
    except OSError:
        return []


def cpu_list(string: str) -> tuple[int, ...] | None:
    """The cores in a list as the kernel writes it: "0-2,7" is 0, 1, 2, 7. None for anything else,
    including the empty list."""
    cores: set[int] = set()
    for part in string.split(","):
        first, dash, last = part.partition("-")
        low, high = integer(first), integer(last) if dash else integer(first)
        if low is None or high is None or not 0 <= low <= high < 1 << 16:
            return None
        cores.update(range(low, high + 1))
    return tuple(sorted(cores))


def cpu_folder(root: Path, core: int) -> Path:
    return root / f"sys/devices/system/cpu/cpu{core}"


def fields(path: Path, separator: str = ":") -> dict[str, str]:
    """The entries of a file with lines `name: value`, such as /proc/meminfo."""
    pairs = (line.partition(separator) for line in text(path).splitlines())
    return {name.strip(): value.strip() for name, sign, value in pairs if sign}
