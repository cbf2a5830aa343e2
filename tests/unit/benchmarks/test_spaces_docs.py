"""The tables of the families are those of their results."""

from __future__ import annotations

from pathlib import Path

from benchmarks.spaces import docs
from benchmarks.spaces.record import Failure, Frozen, Record, Recorder
from benchmarks.spaces.table import failures, figures, packages

from lpnet.space.space import Space


def test_the_page_is_that_of_the_results() -> None:
    page = docs.PAGE.read_text()
    assert docs.rendered(page) == page, f"run python -m {docs.__name__}"


def test_figures_count_families_errors_and_frozen_channels() -> None:
    wrong = Failure("function", "Wrong: outputs differ", "", silent=True, pruning=1)
    frozen = [Frozen("head", "output", "an output", 10), Frozen("norm", "LayerNorm", "it", 10)]
    records = [
        Record("a/one", "cnn", True, True, channels=100, frozen=frozen, prunings=3),
        Record("a/two", "cnn", True, True, channels=100, prunings=3, failures=[wrong]),
        Record("b/three", "transformer", True, False),
        Record("b/four", "transformer"),
    ]
    text = figures(records)
    assert "2 of 4 families are a space; 3 export." in text
    assert "1 silent errors over 6 prunings, in 1 families." in text
    assert "10.0% of CNNs, none of transformers" in text
    assert "outputs: 5.6% and none." in text
    assert "| a | 2 | 2 | 2 | 6 | 1 | 10.0% |" in packages(records)
    assert "| a/two | function | yes | 1 | Wrong: outputs differ |" in failures(records)


def test_records_name_no_folder_of_a_machine() -> None:
    records, _ = docs.load()
    calls = [
        call
        for record in records
        for failure in record.failures
        for call in failure.where.split(" < ")
    ]
    assert calls
    assert not [call for call in calls if call.startswith("/")]


def test_a_failure_names_files_of_the_project_from_its_root(tmp_path: Path) -> None:
    recorder = Recorder(Record("timm/none", "cnn"), tmp_path / "record.json")
    with recorder.stage("space"):
        Space.from_bytes(b"")
    assert "client/lpnet/space/space.py:" in recorder.record.failures[0].where
    assert "/client/" not in recorder.record.failures[0].where
