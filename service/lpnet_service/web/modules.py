"""The modules that a page's module imports, so that browsers can request all of them at once."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

STATIC = Path(__file__).parent / "static"
# Both forms: at the top of a module, and where a library is loaded at its first use.
_IMPORT = re.compile(r'(?:^import [^;]*from |import\()"(\.[^"]+)"', re.MULTILINE)


def imported_modules(module: str) -> tuple[str, ...]:
    """Paths below the static folder of all direct and indirect imports of a module, sorted.
    Vendored modules import nothing."""
    imports: set[str] = set()
    todo = [module]
    while todo:
        path = PurePosixPath(todo.pop())
        if path.parts[0] == "vendor":
            continue
        for name in _IMPORT.findall((STATIC / path).read_text(encoding="utf-8")):
            target = (STATIC / path.parent / name).resolve()
            relative = target.relative_to(STATIC.resolve()).as_posix()
            if relative not in imports:
                imports.add(relative)
                todo.append(relative)
    return tuple(sorted(imports))
