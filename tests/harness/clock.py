"""The clock of one process, set back while it runs (libfaketime)."""

from __future__ import annotations

from pathlib import Path

import pytest

_PLACES = "*/faketime/libfaketimeMT.so.1"


class ProcessClock:
    """`environment` makes a process read its clock through `file`."""

    def __init__(self, file: Path) -> None:
        library = next(
            (p for root in ("/usr/lib", "/usr/lib64") for p in Path(root).glob(_PLACES)), None
        )
        if library is None:
            pytest.skip("libfaketime is not installed: run tools/install-test-packages")
        self._file = file
        self.set("+0")
        self.environment = {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(file),
            "FAKETIME_NO_CACHE": "1",
            # Setting a machine's clock does not move its monotonic one, nor the times of files.
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }

    def set(self, offset: str) -> None:
        """Move the clock by an offset from the machine's: "+0", "-1h"."""
        fresh = self._file.with_suffix(".new")
        fresh.write_text(f"{offset}\n")
        fresh.replace(self._file)
