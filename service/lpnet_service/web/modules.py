"""Which modules a page's module imports, so that a browser can ask for all of them at once."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

STATIC = Path(__file__).parent / "static"
# Both forms: at the head of a module, and where a library is fetched when it is first used.
_IMPORT = re.compile(r'(?:^import [^;]*from |import\()"(\.[^"]+)"', re.MULTILINE)


def imported(module: str) -> tuple[str, ...]:
    """Paths below the static folder of all that `module`, one of ours, imports in turn, sorted.
    What is vendored imports nothing."""
    found: set[str] = set()
    todo = [module]
    while todo:
        one = PurePosixPath(todo.pop())
        if one.parts[0] == "vendor":
            continue
        for name in _IMPORT.findall((STATIC / one).read_text(encoding="utf-8")):
            path = (STATIC / one.parent / name).resolve().relative_to(STATIC.resolve()).as_posix()
            if path not in found:
                found.add(path)
                todo.append(path)
    return tuple(sorted(found))
