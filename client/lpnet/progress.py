"""Progress of long work on standard error: bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol, TextIO

# Looked at every second, so that a line comes at least every ten.
_LINE_PERIOD_S = 9.0


class Progress(Protocol):
    """Long work calls this with its current stage and how much of that stage is done.

    A stage ends when `done` reaches `total`, or when another stage begins.
    """

    def __call__(self, stage: str, done: float, total: float) -> None: ...


def quiet(stage: str, done: float, total: float) -> None: ...


@contextmanager
def terminal_progress() -> Iterator[Progress]:
    """Show a bar per stage where standard error is a terminal.

    Elsewhere, as in a log or a pipe, print a line when a stage begins and ends, and at least every
    ten seconds.
    """
    if not sys.stderr.isatty():
        lines = ProgressLines(sys.stderr)
        with _ticking(lines):
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


@contextmanager
def _ticking(lines: ProgressLines) -> Iterator[None]:
    ended = threading.Event()

    def tick() -> None:
        while not ended.wait(1.0):
            lines.tick()

    thread = threading.Thread(target=tick, name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


class ProgressLines:
    """Progress as lines of plain text, without control characters.

    `tick` prints a line if none was printed for ten seconds. Another thread calls it, since work
    may not report progress that often.
    """

    def __init__(self, file: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._file = file
        self._clock = clock
        self._lock = threading.RLock()
        self._stage: str | None = None
        self._completed_stage: str | None = None
        self._amount = ""
        self._started_at = self._printed_at = clock()

    def __call__(self, stage: str, done: float, total: float) -> None:
        with self._lock:
            self._update(stage, done, total)

    def tick(self) -> None:
        with self._lock:
            if self._clock() < self._printed_at + _LINE_PERIOD_S:
                return
            if self._stage is not None:
                self._print(f"{self._stage}: {self._amount} after {self._elapsed_s():.0f} s")
            elif self._completed_stage is not None:
                self._print(f"working, {self._elapsed_s():.0f} s since {self._completed_stage}")

    def close(self) -> None:
        with self._lock:
            if self._stage is not None:
                self._print(f"{self._stage}: done after {self._elapsed_s():.0f} s")
                self._started_at = self._clock()
            self._completed_stage, self._stage = self._stage, None

    def _update(self, stage: str, done: float, total: float) -> None:
        is_complete = done >= total
        if stage != self._stage:
            if is_complete and stage == self._completed_stage:
                return
            self.close()
            self._stage, self._started_at = stage, self._clock()
            self._print(f"{stage}: started")
        self._amount = _amount(done, total)
        if is_complete:
            self.close()
        else:
            self.tick()

    def _elapsed_s(self) -> float:
        return self._clock() - self._started_at

    def _print(self, line: str) -> None:
        self._printed_at = self._clock()
        print(line, file=self._file, flush=True)


def _amount(done: float, total: float) -> str:
    """Counts as they are, shares of 1 in percent."""
    return f"{100 * done / total:.0f}%" if total <= 1 else f"{done:.0f} of {total:.0f}"
