"""The project keeps what its README and its lists promise."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_every_listed_benchmark_is_a_module() -> None:
    tree = ast.parse((ROOT / "benchmarks/__main__.py").read_text())
    listed = next(
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "BENCHMARKS"
    )
    assert listed
    for name in listed:
        place = ROOT / "benchmarks" / name.replace(".", "/")
        assert place.with_suffix(".py").exists() or (place / "__main__.py").exists(), name


def test_make_test_runs_every_test() -> None:
    script = (ROOT / "tools/run-tests").read_text()
    assert '-m "not alone$selected" tests\n' in script
    assert '-m "alone$selected" "${alone[@]}"\n' in script
    (lookup,) = re.findall(r"^mapfile -t alone < <\((.*)\)$", script, re.M)
    listed = subprocess.run(
        lookup, shell=True, cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    marked = re.compile(r"^(?:pytestmark = |@)pytest\.mark\.alone", re.M)
    alone = {
        str(file.relative_to(ROOT))
        for file in (ROOT / "tests").rglob("test_*.py")
        if marked.search(file.read_text())
    }
    assert alone
    assert alone <= set(listed)
