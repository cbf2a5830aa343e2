"""The measuring process: `python -m lpnet_agent.measure.worker`, started by `measure.process`.

It reads a `Setup` line and then request lines, and answers each on its original standard output.
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

from lpnet_agent.measure.messages import AnyRequest, Setup

_REQUEST: TypeAdapter[AnyRequest] = TypeAdapter(AnyRequest)


def main() -> None:
    # The agent decides when this process ends, and handles a Ctrl-C in its terminal.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    answers = _redirect_stdout()
    lines = _read_lines(sys.stdin)
    setup = Setup.model_validate_json(lines.get())
    # Pinned before the runtime is imported, which sizes its thread pools by the cores it sees.
    if setup.cores:
        os.sched_setaffinity(0, setup.cores)

    from lpnet.errors import LpnetError
    from lpnet_agent.gpu.library import open_gpu
    from lpnet_agent.measure.clock import tasks
    from lpnet_agent.measure.session_info import session_info
    from lpnet_agent.measure.visits import VisitRunner
    from lpnet_agent.runtimes.base import RuntimeConfig
    from lpnet_agent.runtimes.registry import create_runtime

    agent_threads = tasks()  # before the runtime starts threads of its own
    config = RuntimeConfig(setup.threads, setup.provider, setup.precision, setup.options)
    with contextlib.ExitStack() as stack:
        try:
            runtime = create_runtime(setup.runtime, config)
            gpu = stack.enter_context(open_gpu(setup.provider))
        except LpnetError as error:
            sys.exit(str(error))  # the agent reads the last line
        session = uuid.uuid4().hex
        _send(answers, session_info(session, runtime.describe(), gpu))
        runner = VisitRunner(runtime, setup, session, agent_threads=agent_threads, gpu=gpu)
        # The imported modules stay, so the collection before every visit need not scan them.
        gc.collect()
        gc.freeze()
        while True:
            _send(answers, runner.run(_REQUEST.validate_json(lines.get())))


def _redirect_stdout() -> TextIO:
    """Returns the standard output, and points file descriptor 1 at the standard error. Output of
    native code then does not end up among the answers."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return answers


def _read_lines(source: TextIO) -> queue.Queue[str]:
    """A queue of lines. At their end this process exits at once, even inside native code, because
    nothing may keep running if the agent is killed."""
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
