"""Puts changes back when the agent is gone.

`python -m lpnet_agent.changes.guardian STATE MARK ROOT`

It waits for the end of its standard input, which the agent holds and the kernel closes whatever
becomes of the agent. An agent that ends by itself has put everything back before.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from pathlib import Path

from lpnet_agent.changes.journal import Journal


def main(state: str, mark: str, root: str) -> None:
    """Wait, put back, end. The agent decides when: no signal meant for it ends this process."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while os.read(0, 1 << 10):
        pass
    journal = Journal(Path(state), Path(root))
    with journal.locked():
        undone = journal.undo(mark)
    # Whoever read the agent's log may be gone with it.
    with contextlib.suppress(OSError):
        for one in undone:
            sys.stderr.write(f"the agent is gone: {one.words}\n")
        sys.stderr.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
