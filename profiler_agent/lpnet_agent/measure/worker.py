"""The measuring process: `python -m lpnet_agent.measure.worker`, started by `measure.process`.

It reads a `Setup` line and then `Ask` lines, and answers each on what was its standard output.
"""

from __future__ import annotations

import contextlib
import gc
import os
import queue
import signal
import sys
import threading
import uuid
from typing import TextIO

from pydantic import BaseModel, TypeAdapter

from lpnet_agent.measure.messages import FileRequest, Setup, WorkloadRequest

_ASKS: TypeAdapter[WorkloadRequest | FileRequest] = TypeAdapter(WorkloadRequest | FileRequest)


def main() -> None:
    """Answer until the agent closes the pipe or is gone."""
    # The agent decides when this process ends; a Ctrl-C in its terminal is the agent's to handle.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    answers = _take_stdout()
    lines = _read_lines(sys.stdin)
    setup = Setup.model_validate_json(lines.get())
    # Pinned before the runtime is imported: it sizes its thread pools by what it sees.
    if setup.cores:
        os.sched_setaffinity(0, setup.cores)

    from lpnet.errors import LpnetError
    from lpnet_agent.gpu.library import open_gpu
    from lpnet_agent.measure.clock import tasks
    from lpnet_agent.measure.session_info import ready
    from lpnet_agent.measure.visits import VisitRunner
    from lpnet_agent.runtimes.base import RuntimeConfig
    from lpnet_agent.runtimes.registry import make

    own = tasks()  # before the runtime brings threads of its own
    choice = RuntimeConfig(setup.threads, setup.provider, setup.precision, setup.options)
    with contextlib.ExitStack() as held:
        try:
            runtime = make(setup.runtime, choice)
            gpu = held.enter_context(open_gpu(setup.provider))
        except LpnetError as error:
            sys.exit(str(error))  # the agent reads the last line
        session = uuid.uuid4().hex
        _send(answers, ready(session, runtime.describe(), gpu))
        bench = VisitRunner(runtime, setup, session, others=own, gpu=gpu)
        # What was imported stays: the collection before every visit need not walk through it.
        gc.collect()
        gc.freeze()
        while True:
            _send(answers, bench.answer(_ASKS.validate_json(lines.get())))


def _take_stdout() -> TextIO:
    """What native code prints must not end up among the answers."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return answers


def _read_lines(source: TextIO) -> queue.Queue[str]:
    """Lines as they come. The end of them ends this process at once, even inside native code:
    an agent that was killed must leave nothing running."""
    lines: queue.Queue[str] = queue.Queue()

    def read() -> None:
        for line in source:
            lines.put(line)
        os._exit(0)

    threading.Thread(target=read, daemon=True).start()
    return lines


def _send(answers: TextIO, message: BaseModel) -> None:
    answers.write(message.model_dump_json() + "\n")
    answers.flush()


if __name__ == "__main__":
    main()
