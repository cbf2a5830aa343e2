"""Keeps one worker process alive beside the API."""

from __future__ import annotations

import os
import subprocess
import sys
from threading import Event, Thread

import structlog

_GRACE_S = 5.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 30.0
_LOOK_S = 0.2
_log = structlog.get_logger()


class Supervisor:
    """Runs `python -m lpnet_service worker`, and starts another whenever it ends.

    A worker that keeps dying is started less and less often. It takes the settings of this
    process, its environment included, and ends by itself when this process is killed.
    """

    def __init__(self) -> None:
        self._stopping = Event()
        self._worker: subprocess.Popen[bytes] | None = None
        self._thread = Thread(target=self._watch, name="supervisor", daemon=True)

    @property
    def pid(self) -> int | None:
        """Process id of the present worker."""
        return self._worker.pid if self._worker else None

    def start(self) -> None:
        """Start the worker, and watch it."""
        self._worker = self._spawn()
        self._thread.start()

    def begin_stop(self) -> None:
        """Ask the worker to end; returns at once."""
        self._stopping.set()
        if self._worker is not None and self._worker.poll() is None:
            self._worker.terminate()

    def stop(self) -> None:
        """End the worker: asked first, killed after 5 s. A run of it goes back to the queue."""
        self.begin_stop()
        self._thread.join()
        worker = self._worker
        if worker is None:
            return
        # Once more: the thread may have started one in between.
        if worker.poll() is None:
            worker.terminate()
        try:
            worker.wait(_GRACE_S)
        except subprocess.TimeoutExpired:
            _log.warning("the worker did not end in time and is killed", pid=worker.pid)
            worker.kill()
            worker.wait()

    def _spawn(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "lpnet_service", "worker", "--parent", str(os.getpid())]
        return subprocess.Popen(command)

    def _watch(self) -> None:
        pause = _FIRST_PAUSE_S
        while not self._stopping.wait(_LOOK_S):
            if self._worker is None or self._worker.poll() is None:
                continue
            _log.warning("the worker ended", code=self._worker.returncode, again_in_s=pause)
            if self._stopping.wait(pause):
                return
            pause = min(pause * 2, _LONGEST_PAUSE_S)
            self._worker = self._spawn()
