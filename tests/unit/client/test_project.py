"""The project keeps what its README and its lists promise."""

from __future__ import annotations

import ast
import re
import statistics
from pathlib import Path

import pytest
from benchmarks.pruning.study import docs as study_docs
from benchmarks.pruning.study import table as study_table

ROOT = Path(__file__).parents[3]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!http)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), target


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


def test_the_python_of_the_readme_is_python() -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    assert blocks
    for block in blocks:
        ast.parse(block)


def test_make_test_runs_every_test() -> None:
    script = (ROOT / "tools/run-tests").read_text()
    assert '-m "not alone$selected" tests\n' in script
    assert '-m "alone$selected" "${alone[@]}"\n' in script
    (folders,) = re.findall(r"^alone=\((.*)\)$", script, re.M)
    run = [ROOT / folder for folder in folders.split()]
    marked = re.compile(r"^(?:pytestmark = |@)pytest\.mark\.alone", re.M)
    found = [
        file for file in (ROOT / "tests").rglob("test_*.py") if marked.search(file.read_text())
    ]
    assert found
    for file in found:
        assert len([folder for folder in run if folder in file.parents]) == 1, file


def test_tables_of_the_pruning_study_are_those_of_its_results() -> None:
    for page in study_docs.PAGES:
        text = page.read_text()
        assert study_docs.rendered(text) == text, f"run python -m {study_docs.__name__}"


def test_the_readme_quotes_the_prediction_errors_of_the_pruning_study() -> None:
    readme = " ".join((ROOT / "README.md").read_text().split())
    errors = [
        [abs(study.lpnet_error(method)) for method in study.methods_without_lpnet()]
        for study in study_table.studies()
    ]
    medians = " and ".join(f"{100 * statistics.median(errors_):.1f}%" for errors_ in errors)
    largest = " and ".join(f"{100 * max(errors_):.1f}%" for errors_ in errors)
    assert f"median error of {medians}" in readme
    assert f"{largest} at most" in readme
