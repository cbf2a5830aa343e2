"""Digests of code: a result is recomputed where the code behind it changed."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path


def code_digest(modules: Iterable[str], packages: Sequence[str]) -> str:
    """A digest of the sources of modules and of all that they import from packages."""
    pending, sources = list(modules), dict[str, bytes]()
    while pending:
        name = pending.pop()
        path = None if name in sources else _path(name)
        if path is not None:
            sources[name] = path.read_bytes()
            pending += (module for module in _imports(path) if _within(module, packages))
    whole = hashlib.sha256()
    for name in sorted(sources):
        whole.update(name.encode() + b"\0" + sources[name])
    return whole.hexdigest()[:16]


def _within(module: str, packages: Sequence[str]) -> bool:
    return any(f"{module}.".startswith(f"{package}.") for package in packages)


@cache
def _path(name: str) -> Path | None:
    try:
        spec = find_spec(name)
    except ModuleNotFoundError:  # a name within a module, not a module
        return None
    return Path(spec.origin) if spec is not None and spec.origin is not None else None


@cache
def _imports(path: Path) -> tuple[str, ...]:
    return tuple(_names(ast.parse(path.read_bytes())))


def _names(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
