"""Progress of long work on standard error: bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol, TextIO

_LINE_PERIOD_S = 60.0


class Progress(Protocol):
    """Long work calls this with its current stage and how much of that stage is done.

    A stage ends when `done` reaches `total`, or when another stage begins.
    """

    def __call__(self, stage: str, done: float, total: float) -> None: ...


def quiet(stage: str, done: float, total: float) -> None: ...


@contextmanager
def terminal_progress() -> Iterator[Progress]:
    """Show a bar per stage where standard error is a terminal.

    Elsewhere, as in a log or a pipe, print a line when a stage begins, once a minute, and when it
    ends.
    """
    if not sys.stderr.isatty():
        lines = ProgressLines(sys.stderr)
        yield lines
        lines.close()
        return
    from rich.console import Console
    from rich.progress import BarColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description:<34}"),
        BarColumn(),
        TextColumn("{task.percentage:>4.0f}%"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Bars(*columns, console=Console(stderr=True)) as bars:
        tasks: dict[str, TaskID] = {}

        def show(stage: str, done: float, total: float) -> None:
            if stage not in tasks:
                for task in tasks.values():
                    bars.update(task, completed=bars.tasks[task].total)
                tasks[stage] = bars.add_task(stage, total=total)
            bars.update(tasks[stage], completed=done, total=total)

        yield show


class ProgressLines:
    """Progress as lines of plain text, without control characters."""

    def __init__(self, file: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._file = file
        self._clock = clock
        self._stage: str | None = None
        self._completed_stage: str | None = None
        self._started_at = self._next_line_at = 0.0

    def __call__(self, stage: str, done: float, total: float) -> None:
        is_complete = done >= total
        if stage != self._stage:
            if is_complete and stage == self._completed_stage:
                return
            self.close()
            self._stage = stage
            self._started_at = self._clock()
            self._next_line_at = self._started_at + _LINE_PERIOD_S
            self._print("started")
        if is_complete:
            self.close()
        elif self._clock() >= self._next_line_at:
            self._next_line_at += _LINE_PERIOD_S
            self._print(f"{100 * done / total:.0f}% after {self._elapsed_s():.0f} s")

    def close(self) -> None:
        if self._stage is not None:
            self._print(f"done after {self._elapsed_s():.0f} s")
        self._completed_stage, self._stage = self._stage, None

    def _elapsed_s(self) -> float:
        return self._clock() - self._started_at

    def _print(self, message: str) -> None:
        print(f"{self._stage}: {message}", file=self._file, flush=True)
