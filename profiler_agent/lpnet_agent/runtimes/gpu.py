"""What drives the GPU."""

from __future__ import annotations

import shutil
import subprocess

_ASK = ("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader")
_ASK_TIMEOUT_S = 30.0


def driver() -> str | None:
    """Version of the GPU's driver; None where its own tool does not say it."""
    tool = shutil.which(_ASK[0])
    if tool is None:
        return None
    try:
        asked = subprocess.run(
            (tool, *_ASK[1:]), capture_output=True, text=True, timeout=_ASK_TIMEOUT_S, check=True
        )
    except (subprocess.SubprocessError, OSError):
        return None
    return next(iter(asked.stdout.split()), None)
