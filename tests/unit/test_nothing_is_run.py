"""Nothing that comes from elsewhere is run: no pickle, no evaluation, nowhere in the packages."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

PACKAGES = ("lpnet", "lpnet_agent", "lpnet_service")
# What turns bytes into objects by running them.
MODULES = {"pickle", "cPickle", "_pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib",
           "jsonpickle"}  # fmt: skip
CALLS = {"eval", "exec", "compile", "__import__"}


def folders() -> list[Path]:
    found = []
    for name in PACKAGES:
        spec = find_spec(name)
        assert spec is not None
        found += [Path(place) for place in spec.submodule_search_locations or ()]
    return found


FILES = sorted(file for folder in folders() for file in folder.rglob("*.py"))


def faults(tree: ast.AST) -> Iterator[str]:
    """What runs what it reads, line by line."""
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or "", *(alias.name for alias in node.names)]
        for name in names:
            if name.split(".")[0] in MODULES:
                yield f"{node.lineno}: imports {name}"  # type: ignore[attr-defined]
        if isinstance(node, ast.Call):
            yield from _of_call(node)


def _of_call(node: ast.Call) -> Iterator[str]:
    called = ast.unparse(node.func)
    given = {word.arg: ast.unparse(word.value) for word in node.keywords}
    if called in CALLS:
        yield f"{node.lineno}: calls {called}"
    if called == "torch.load" and given.get("weights_only") != "True":
        yield f"{node.lineno}: torch.load without weights_only=True"
    if called.endswith((".load", ".loads")) and given.get("allow_pickle", "False") != "False":
        yield f"{node.lineno}: {called} with allow_pickle"
    if called in ("yaml.load", "yaml.unsafe_load", "yaml.full_load"):
        yield f"{node.lineno}: {called}"


def test_there_are_files_to_look_at() -> None:
    assert len(FILES) > 200


@pytest.mark.parametrize("package", PACKAGES)
def test_nothing_that_is_read_is_run(package: str) -> None:
    found = [
        f"{file}:{fault}"
        for file in FILES
        if package in file.parts
        for fault in faults(ast.parse(file.read_text()))
    ]
    assert found == []


@pytest.mark.parametrize(
    "line",
    [
        "import pickle", "from marshal import loads", "import joblib.externals", "eval(x)",
        "torch.load(f)", "torch.load(f, weights_only=False)", "np.load(f, allow_pickle=True)",
        "yaml.load(f)",
    ],
)  # fmt: skip
def test_the_look_finds_them(line: str) -> None:
    assert list(faults(ast.parse(line)))
