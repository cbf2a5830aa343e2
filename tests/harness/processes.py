"""Processes that a test starts by their console scripts, and everything that came of them."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

# How long a process may take to end: it does at once, but for a machine that is busy.
PATIENCE_S = 300.0

_MARK = "LPNET_TEST_SITE"
_SCRIPTS = Path(sys.executable).parent


class Running:
    """One process of a console script; what it says is in `log`."""

    def __init__(
        self,
        script: str,
        arguments: Sequence[str],
        log: Path,
        mark: Path,
        environment: Mapping[str, str],
        wrapper: Sequence[str] = (),
    ) -> None:
        """`mark` is handed down to all that comes of it, so that `left_of` finds it."""
        self._log = log
        with log.open("ab") as out:
            self.process = subprocess.Popen(
                [*wrapper, str(_SCRIPTS / script), *arguments],
                env=os.environ | environment | {_MARK: str(mark)},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
            )

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    @property
    def family(self) -> set[int]:
        """Its process id, and those of all that it started and that came of those."""
        children = psutil.Process(self.process.pid).children(recursive=True)
        return {self.process.pid, *(child.pid for child in children)}

    @property
    def said(self) -> str:
        """All that it and those before it have logged."""
        return self._log.read_text(errors="replace")

    def end(self, number: int = signal.SIGTERM, within_s: float = PATIENCE_S) -> int:
        """Signal it and wait for it; its exit status."""
        self.process.send_signal(number)
        return self.process.wait(within_s)

    def freeze(self) -> None:
        """Stop it and its children, as a machine that is suspended would."""
        for member in self._tree():
            member.suspend()

    def thaw(self) -> None:
        for member in self._tree():
            with contextlib.suppress(psutil.NoSuchProcess):
                member.resume()

    def ask_to_end(self) -> None:
        """Whatever state it is in."""
        if self.alive:
            self.thaw()
            self.process.send_signal(signal.SIGTERM)

    def put_down(self) -> None:
        """Wait for the end that it was asked for; one that does not come is made."""
        try:
            self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.end(signal.SIGKILL)

    def _tree(self) -> list[psutil.Process]:
        """Parent first: one that is frozen starts no more children."""
        own = psutil.Process(self.process.pid)
        return [own, *own.children(recursive=True)]


def left_of(mark: Path) -> list[psutil.Process]:
    """Processes alive that were started under a mark, or came of one that was."""
    processes = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            marked = process.environ().get(_MARK) == str(mark)
            if marked and process.status() != psutil.STATUS_ZOMBIE:
                processes.append(process)
    return processes
