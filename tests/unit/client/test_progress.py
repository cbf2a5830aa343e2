"""Progress of long work where standard error is not a terminal."""

from __future__ import annotations

import io

import pytest

from lpnet.progress import ProgressLines, terminal_progress


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_a_stage_prints_a_line_when_it_begins_and_when_it_ends(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with terminal_progress() as progress:
        progress("measuring", 0, 4)
        progress("measuring", 3, 4)
        progress("measuring", 4, 4)
        progress("training", 0.5, 1.0)
    lines = capsys.readouterr().err
    assert lines.splitlines() == [
        "measuring: started",
        "measuring: done after 0 s",
        "training: started",
        "training: done after 0 s",
    ]
    assert all(character.isprintable() or character == "\n" for character in lines)


def test_a_long_stage_prints_a_line_every_ten_seconds() -> None:
    file, clock = io.StringIO(), Clock()
    progress = ProgressLines(file, clock)
    for second in range(25):
        clock.now_s = second
        progress("measuring", second, 25)
    progress("measuring", 25, 25)
    assert file.getvalue().splitlines() == [
        "measuring: started",
        "measuring: 9 of 25 after 9 s",
        "measuring: 18 of 25 after 18 s",
        "measuring: done after 24 s",
    ]


def test_work_that_reports_nothing_prints_a_line_every_ten_seconds_too() -> None:
    file, clock = io.StringIO(), Clock()
    progress = ProgressLines(file, clock)
    progress("training", 0.25, 1.0)
    for second in range(1, 30):
        clock.now_s = second
        if second == 15:
            progress("training", 1.0, 1.0)
        progress.tick()
    assert file.getvalue().splitlines() == [
        "training: started",
        "training: 25% after 9 s",
        "training: done after 15 s",
        "working, 9 s since training",
    ]


def test_a_stage_that_runs_again_is_shown_again_and_a_repeated_end_is_not() -> None:
    file = io.StringIO()
    progress = ProgressLines(file, Clock())
    for done in (0, 2, 2, 0, 2):
        progress("measuring", done, 2)
    assert file.getvalue().splitlines() == ["measuring: started", "measuring: done after 0 s"] * 2
