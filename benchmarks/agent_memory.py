"""Most memory that `lpnet-agent measure` and its measuring process hold, with ONNX Runtime.

    python -m benchmarks.agent_memory [--model mobilenet_v2] [--runtime onnxruntime]

The goal is 300 MB, and no torch: an agent has to fit on a small board. The peer is a script that
times the same dense network with ONNX Runtime and nothing else. Memory is the proportional set
size (smaps_rollup), so that what processes share counts once; read every 10 ms, since a network
takes most while it is loaded.
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
_LOOK_S = 0.01
_PEER = """
import sys
import onnxruntime as ort
import numpy as np
options = ort.SessionOptions()
options.intra_op_num_threads = 1
session = ort.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
(given,) = session.get_inputs()
value = np.random.default_rng(0).standard_normal(given.shape).astype(np.float32)
for _ in range(100):
    session.run(None, {given.name: value})
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
        agent, torch = most_mb(command)
        peer, _ = most_mb([sys.executable, "-c", _PEER, str(dense)])
    verdict = "within" if agent <= GOAL_MB else "over"
    print(
        f"{options.model} on {options.runtime}: agent and measuring process {agent:.0f} MB "
        f"({verdict} {GOAL_MB}), {agent / peer:.2f} times a bare script's {peer:.0f} MB; "
        f"torch {'loaded' if torch else 'not loaded'}"
    )
    return 0 if agent <= GOAL_MB and (not torch or options.runtime.startswith("torch")) else 1


def most_mb(command: list[str]) -> tuple[float, bool]:
    """The most that a command and its children held at a time, MB; whether torch was among it."""
    most, torch = 0, False
    errors = tempfile.TemporaryFile()  # noqa: SIM115 - read after the process has ended
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=errors)
    watched = psutil.Process(process.pid)
    while process.poll() is None:
        held = 0
        try:
            for one in (watched, *watched.children(recursive=True)):
                held += _pss(one.pid)
                torch |= "libtorch" in Path(f"/proc/{one.pid}/maps").read_text()
        except (psutil.NoSuchProcess, OSError):
            pass  # one ended while it was looked at
        most = max(most, held)
        time.sleep(_LOOK_S)
    if process.returncode:
        errors.seek(0)
        sys.exit(errors.read().decode())
    return most / 1e6, torch


def _pss(pid: int) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0


if __name__ == "__main__":
    sys.exit(main())
