"""The folder in which several API processes count their metrics together."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lpnet.alive import process_exists

# prometheus-client reads it at import, so it has to be set before a process starts.
FOLDER = "PROMETHEUS_MULTIPROC_DIR"
_LIVE = re.compile(r"gauge_live[a-z]+_(\d+)\.db")


@contextmanager
def shared_metrics() -> Iterator[dict[str, str]]:
    """Environment variables for API processes that count together.

    The parent keeps this block open while they run; then their counts are deleted.
    """
    with tempfile.TemporaryDirectory(
        prefix="lpnet-metrics-", ignore_cleanup_errors=True
    ) as folder:
        yield {FOLDER: folder}


def remove_dead_gauges(folder: Path) -> None:
    """Delete the live gauges of processes that have ended; their counters stay."""
    for file in folder.glob("gauge_live*.db"):
        match = _LIVE.fullmatch(file.name)
        if match and not process_exists(int(match[1])):
            # As `mark_process_dead` of prometheus-client, but other processes may do it at once.
            file.unlink(missing_ok=True)
