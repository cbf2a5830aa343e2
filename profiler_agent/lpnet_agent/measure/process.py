"""The agent's end of the measuring process: start it, ask it, and end it when it hangs."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from lpnet_agent.errors import BadSetup, Interrupted, WorkerDied, WorkerHung
from lpnet_agent.measure.messages import (
    FileRequest,
    SessionInfo,
    Setup,
    VisitResult,
    WorkloadRequest,
)
from lpnet_agent.measure.oom import OomKills
from lpnet_agent.stop import Stop

START_TIMEOUT_S = 60.0
CLOSE_TIMEOUT_S = 2.0
# What the current workload may still take once the agent is asked to end.
GRACE_S = 4.0


class MeasuringProcess:
    """One session of a target: a process of its own, pinned to the target's cores.

    It lives until `close`, or until it dies or hangs. A new session is a new object.
    """

    def __init__(self, setup: Setup, stop: Stop, root: Path = Path("/")) -> None:
        """Start it; `root` is where the kernel's counters are looked for. Raises BadSetup with its
        own words if it cannot start."""
        self._stop = stop
        self._rest = b""
        self._oom_kills = OomKills(root)
        self._kills_before = self._oom_kills.count()
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process
        self._process = subprocess.Popen(
            [sys.executable, "-m", "lpnet_agent.measure.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            # One thread for numpy: its pool would share the pinned core with the runtime's.
            env=os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
            start_new_session=True,
        )
        try:
            self._write(setup.model_dump_json())
            self.ready = SessionInfo.model_validate_json(self._line(START_TIMEOUT_S))
        except (WorkerDied, WorkerHung) as error:
            self.close()
            raise BadSetup(f"the measuring process did not start: {error}") from error
        except BaseException:
            self.close()
            raise

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def measure(self, ask: WorkloadRequest | FileRequest, timeout_s: float) -> VisitResult:
        """Have one workload visited.

        Raises WorkerDied or WorkerHung, after which the process is gone, or Interrupted if the
        agent is to end and the workload takes too long for that. A WorkerDied is `out_of_memory`
        where the kernel ended the process for that.
        """
        try:
            self._write(ask.model_dump_json())
            return VisitResult.model_validate_json(self._line(timeout_s))
        except (WorkerDied, WorkerHung, Interrupted):
            self.close(at_once=True)
            raise

    def close(self, at_once: bool = False) -> None:
        """End the process; harmless to repeat."""
        if at_once:
            self._process.kill()
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):  # it may have gone first
            self._process.stdin.close()
        try:
            self._process.wait(CLOSE_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._errors.close()

    def _write(self, line: str) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line.encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError as error:
            raise self._died() from error

    def _line(self, timeout_s: float) -> bytes:
        assert self._process.stdout is not None
        answers = self._process.stdout.fileno()
        end = time.monotonic() + timeout_s
        hurried = False
        while b"\n" not in self._rest:
            if self._stop.is_set() and not hurried:
                hurried, end = True, min(end, time.monotonic() + GRACE_S)
            watched = [answers] if hurried else [answers, self._stop.fileno()]
            ready, _, _ = select.select(watched, [], [], max(0.0, end - time.monotonic()))
            if answers in ready:
                piece = os.read(answers, 1 << 16)
                if not piece:
                    raise self._died()
                self._rest += piece
            elif not ready:
                if hurried:
                    raise Interrupted("the agent was asked to end")
                raise WorkerHung(
                    f"the measuring process gave no answer in {timeout_s:.0f} s "
                    "(LPNET_AGENT_WORKLOAD_TIMEOUT_S)"
                )
        line, self._rest = self._rest.split(b"\n", 1)
        return line

    def _died(self) -> WorkerDied:
        try:
            code: int | str = self._process.wait(CLOSE_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            code = "unknown"
        if code == -signal.SIGKILL and self._short_of_memory():
            return WorkerDied(
                "does not fit in memory: the kernel ended the measuring process, and counts that "
                "among those it ended for want of memory",
                out_of_memory=True,
            )
        self._errors.seek(0)
        words = self._errors.read().decode(errors="replace").strip().splitlines()
        last = words[-1] if words else "it said nothing"
        return WorkerDied(f"the measuring process ended with code {code}: {last[:500]}")

    def _short_of_memory(self) -> bool:
        """Whether the kernel ended anything here for want of memory since this process began:
        whoever else sends signal 9 shows in no counter."""
        now = self._oom_kills.count()
        return None not in (now, self._kills_before) and now != self._kills_before
