"""Maximum memory of `lpnet-agent measure` and its measuring process.

    python -m benchmarks.agent_memory [--model mobilenet_v2] [--runtime onnxruntime]

The goal is 300 MB without torch, as an agent has to fit on a small board. It is compared with a
script that only times the same dense network with ONNX Runtime. Memory is the proportional set
size (smaps_rollup), so that shared pages count once. It is read every 10 ms, because the maximum
occurs while a network is loaded.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from lpnet import zoo

GOAL_MB = 300
_INTERVAL_S = 0.01
_REFERENCE = """
import sys
import onnxruntime as ort
import numpy as np
options = ort.SessionOptions()
options.intra_op_num_threads = 1
session = ort.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
(tensor,) = session.get_inputs()
value = np.random.default_rng(0).standard_normal(tensor.shape).astype(np.float32)
for _ in range(100):
    session.run(None, {tensor.name: value})
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", default="mobilenet_v2")
    parser.add_argument("--runtime", default="onnxruntime")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        space = zoo.space(options.model)
        space.save(folder / "space.onnx")
        dense = folder / "dense.onnx"
        dense.write_bytes(space.concrete(space.named(space.dense)).SerializeToString())
        command = [sys.executable, "-m", "lpnet_agent", "measure", "--blocks", "8"]
        command += ["--networks", "2", "--space", str(folder / "space.onnx")]
        command += ["--out", str(folder / "samples.jsonl"), "--runtime", options.runtime]
        command += ["--state-dir", str(folder / "state")]
        agent_mb, torch = max_memory_mb(command)
        reference_mb, _ = max_memory_mb([sys.executable, "-c", _REFERENCE, str(dense)])
    verdict = "within" if agent_mb <= GOAL_MB else "over"
    print(
        f"{options.model} on {options.runtime}: agent and measuring process {agent_mb:.0f} MB "
        f"({verdict} {GOAL_MB}), {agent_mb / reference_mb:.2f} times a bare script's "
        f"{reference_mb:.0f} MB; torch {'loaded' if torch else 'not loaded'}"
    )
    return 0 if agent_mb <= GOAL_MB and (not torch or options.runtime.startswith("torch")) else 1


def max_memory_mb(command: list[str]) -> tuple[float, bool]:
    """Maximum memory of a command and its children, MB, and whether one of them loaded torch."""
    max_bytes, torch = 0, False
    errors = tempfile.TemporaryFile()  # noqa: SIM115 - read when the process has ended
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=errors)
    parent = psutil.Process(process.pid)
    while process.poll() is None:
        current_bytes = 0
        try:
            for child in (parent, *parent.children(recursive=True)):
                current_bytes += _pss_bytes(child.pid)
                torch |= "libtorch" in Path(f"/proc/{child.pid}/maps").read_text()
        except (psutil.NoSuchProcess, OSError):
            pass  # a process ended while it was read
        max_bytes = max(max_bytes, current_bytes)
        time.sleep(_INTERVAL_S)
    if process.returncode:
        errors.seek(0)
        sys.exit(errors.read().decode())
    return max_bytes / 1e6, torch


def _pss_bytes(pid: int) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0


if __name__ == "__main__":
    sys.exit(main())
