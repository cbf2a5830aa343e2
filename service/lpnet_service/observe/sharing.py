"""One set of metrics for several API processes: the folder in which they count."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lpnet.alive import runs

# Read by prometheus-client as it is imported: it has to be set before a process starts.
FOLDER = "PROMETHEUS_MULTIPROC_DIR"
_LIVE = re.compile(r"gauge_live[a-z]+_(\d+)\.db")


@contextmanager
def shared_metrics() -> Iterator[dict[str, str]]:
    """What to add to the environment of API processes that are to count together.

    The parent keeps this open as long as they live. What they counted is gone with it.
    """
    with tempfile.TemporaryDirectory(prefix="lpnet-metrics-", ignore_cleanup_errors=True) as made:
        yield {FOLDER: made}


def forget_dead(folder: Path) -> None:
    """What a process that is gone was in the middle of is over. What it counted stays counted."""
    for file in folder.glob("gauge_live*.db"):
        found = _LIVE.fullmatch(file.name)
        if found and not runs(int(found[1])):
            # As prometheus-client's `mark_process_dead` does, while another process may too.
            file.unlink(missing_ok=True)
