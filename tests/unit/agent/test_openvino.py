"""OpenVINO as a runtime, beside what every runtime has to do."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

CODE = """
import multiprocessing
import os
started = []
multiprocessing.Process.start = lambda self: started.append(self)
os.fork = lambda: started.append("fork") or 1 / 0
from lpnet_agent.runtimes.base import RuntimeConfig
from lpnet_agent.runtimes.registry import create_runtime
print(create_runtime("openvino", RuntimeConfig(1)).describe().name, started)
"""


def test_it_tells_nobody_and_leaves_nothing(tmp_path: Path) -> None:
    """Its package has a telemetry of its own, which forks on import and writes into HOME."""
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        env=os.environ | {"HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split(maxsplit=1) == ["openvino", "[]\n"]
    assert list(tmp_path.iterdir()) == []
