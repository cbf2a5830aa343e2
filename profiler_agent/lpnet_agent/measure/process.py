"""The agent's side of the measuring process: start it, send requests, and kill it if it hangs."""

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

from lpnet.stop import Stop
from lpnet_agent.errors import Interrupted, SetupError, WorkerDied, WorkerHung
from lpnet_agent.measure.messages import AnyRequest, SessionInfo, Setup, VisitResult
from lpnet_agent.measure.oom import OomKills

START_TIMEOUT_S = 60.0
CLOSE_TIMEOUT_S = 2.0
# Time that the current workload may still take when the agent is stopping.
GRACE_S = 4.0


class MeasuringProcess:
    """One session of a target, in a separate process that is pinned to the target's cores.

    It lives until `close`, or until it dies or hangs; a new session is a new object.
    """

    def __init__(self, setup: Setup, stop: Stop, root: Path = Path("/")) -> None:
        """Start the process. `root` replaces `/` for the kernel's counters.

        Raises SetupError, with the last line that the process printed, if it cannot start.
        """
        self._stop = stop
        self._buffer = b""
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
            self.info = SessionInfo.model_validate_json(self._line(START_TIMEOUT_S))
        except (WorkerDied, WorkerHung) as error:
            self.close()
            raise SetupError(f"the measuring process did not start: {error}") from error
        except BaseException:
            self.close()
            raise

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def visit(self, request: AnyRequest, timeout_s: float) -> VisitResult:
        """See MeasuringSession.

        Raises WorkerDied or WorkerHung, or Interrupted if the agent is stopping and the workload
        takes too long. The process is gone afterwards. WorkerDied has `out_of_memory` if the
        kernel killed the process for lack of memory.
        """
        try:
            self._write(request.model_dump_json())
            return VisitResult.model_validate_json(self._line(timeout_s))
        except (WorkerDied, WorkerHung, Interrupted):
            self.close(kill=True)
            raise

    def close(self, kill: bool = False) -> None:
        if kill:
            self._process.kill()
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):  # it may have ended already
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
        stopping = False
        while b"\n" not in self._buffer:
            if self._stop.is_set() and not stopping:
                stopping, end = True, min(end, time.monotonic() + GRACE_S)
            watched = [answers] if stopping else [answers, self._stop.fileno()]
            ready, _, _ = select.select(watched, [], [], max(0.0, end - time.monotonic()))
            if answers in ready:
                chunk = os.read(answers, 1 << 16)
                if not chunk:
                    raise self._died()
                self._buffer += chunk
            elif not ready:
                if stopping:
                    raise Interrupted("the agent is stopping")
                raise WorkerHung(
                    f"the measuring process did not answer within {timeout_s:.0f} s "
                    "(LPNET_AGENT_WORKLOAD_TIMEOUT_S)"
                )
        line, self._buffer = self._buffer.split(b"\n", 1)
        return line

    def _died(self) -> WorkerDied:
        try:
            code: int | str = self._process.wait(CLOSE_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            code = "unknown"
        if code == -signal.SIGKILL and self._was_oom_killed():
            return WorkerDied(
                "does not fit in memory: the kernel killed the measuring process because memory "
                "ran out",
                out_of_memory=True,
            )
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        last = lines[-1] if lines else "it printed no error"
        return WorkerDied(f"the measuring process ended with code {code}: {last[:500]}")

    def _was_oom_killed(self) -> bool:
        # The counter distinguishes the kernel's kills from other senders of signal 9.
        kills = self._oom_kills.count()
        return None not in (kills, self._kills_before) and kills != self._kills_before
