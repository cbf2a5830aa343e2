"""The docs agree with the code, the tests and the result files that they name."""

from __future__ import annotations

import ast
import re
import statistics
from pathlib import Path

import pytest
from benchmarks.pruning.study import docs as study_docs
from benchmarks.pruning.study import table as study_table

from lpnet_agent.settings import Settings as AgentSettings
from lpnet_service.settings import Settings as ServiceSettings

ROOT = Path(__file__).parents[2]
DOCS = sorted((ROOT / "docs").rglob("*.md"))
PAGES = [*sorted(ROOT.glob("*.md")), ROOT / "examples" / "README.md", *DOCS]
TEST_FILES = {file: file.read_text() for file in (ROOT / "tests").rglob("*.py")}
MAX_LINE = 120
FOLDERS = (
    "benchmarks",
    "client",
    "profiler_agent",
    "service",
    "demo",
    "tests",
    "tools",
    "examples",
)
# The folder that each package is in.
PACKAGES = {
    "lpnet": "client",
    "lpnet_agent": "profiler_agent",
    "lpnet_service": "service",
    "lpnet_demo": "demo",
}


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def prose(page: Path) -> str:
    """A page without its blocks of code."""
    return re.sub(r"^```.*?^```", "", page.read_text(), flags=re.M | re.S)


def anchors(page: Path) -> set[str]:
    """The addresses of a page's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(), re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_to_a_file_and_a_heading(page: Path) -> None:
    for link in re.findall(r"\]\((?!http|mailto)([^)]+)\)", prose(page)):
        file, _, anchor = link.partition("#")
        target = page.parent / file if file else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_prose_is_wrapped(page: Path) -> None:
    for line in prose(page).splitlines():
        breakable = len(line.split()) > 1 and "http" not in line
        if breakable and not line.startswith(("|", "![", "    ")):
            assert len(line) <= MAX_LINE, line


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_python_of_a_page_is_python(page: Path) -> None:
    for block in re.findall(r"^```python\n(.*?)^```", page.read_text(), re.M | re.S):
        ast.parse(block)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_tests_that_a_page_names_exist(page: Path) -> None:
    """`file.py`, `file.py::test_name`, and `::test_name` of the file named before."""
    sources = list(TEST_FILES.values())
    pattern = r"`((?:[\w/]+/)?test_\w+\.py)?(?:::)?(test_\w+)?`"
    for file, function in re.findall(pattern, page.read_text()):
        if file:
            sources = [text for path, text in TEST_FILES.items() if path.match(file)]
            assert sources, file
        if function:
            assert any(f"def {function}(" in text for text in sources), function


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_files_that_a_page_names_exist(page: Path) -> None:
    names = "|".join((*FOLDERS, *PACKAGES))
    # What a reader is told to make does not exist yet.
    text = re.sub(r"(?:Make the package|Create) `[^`]+`", "", page.read_text())
    for path in re.findall(rf"`((?:{names})/[\w./-]+)`", text):
        package, _, _ = path.partition("/")
        assert (ROOT / PACKAGES.get(package, "") / path).exists(), path


def setting_names() -> set[str]:
    """Environment variables of the settings, and those that the code names itself."""
    sources = [
        file.read_text()
        for package, folder in PACKAGES.items()
        for file in (ROOT / folder / package).rglob("*.py")
    ]
    sources += [file.read_text() for file in (ROOT / "benchmarks").rglob("*.py")]
    names = set(re.findall(r"LPNET_[A-Z_0-9]+", "".join(sources)))
    names |= {f"LPNET_AGENT_{field}".upper() for field in AgentSettings.model_fields}
    return names | {f"LPNET_{field}".upper() for field in ServiceSettings.model_fields}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_settings_that_a_page_names_exist(page: Path) -> None:
    named = set(re.findall(r"LPNET_[A-Z_0-9]+", page.read_text()))
    assert named <= setting_names()


def test_the_index_lists_every_page() -> None:
    index = ROOT / "docs" / "index.md"
    linked = {
        (index.parent / link).resolve()
        for link in re.findall(r"\]\(([^)#]+\.md)", index.read_text())
    }
    assert linked == {page.resolve() for page in DOCS} - {index}


def test_rules_are_numbered_without_a_gap() -> None:
    text = (ROOT / "docs" / "develop" / "rules.md").read_text()
    numbers = [int(number) for number in re.findall(r"^(\d+)\. \*\*", text, re.M)]
    assert numbers == list(range(1, len(numbers) + 1))


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
    medians = " and ".join(f"{100 * statistics.median(group):.1f}%" for group in errors)
    largest = " and ".join(f"{100 * max(group):.1f}%" for group in errors)
    assert f"median error of {medians}" in readme
    assert f"{largest} at most" in readme
