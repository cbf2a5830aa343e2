"""A pruned network timed without lpnet: does ONNX Runtime alone agree with what was promised?

    python -m benchmarks.pruning.outside lpnet-prune [--threads 1] [--runs 3]

Takes the folder that `lpnet prune` wrote. Imports neither lpnet nor its agent: a session of ONNX
Runtime in a process of its own for each run, pinned to the last core, warmed up, the median of two
seconds of back-to-back runs; the median of those is held against `measured_ms` of report.json.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

_WARM_S, _TIMED_S = 1.0, 2.0
# A device is said to have a noise floor of about this, on a machine that is shared.
_AGREES_PCT = 5.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    model = options.folder / "model.onnx"
    if options.one:
        print(timed_ms(model, options.threads))
        return 0
    again = [sys.executable, __file__, str(options.folder), "--threads", str(options.threads)]
    found = [
        float(subprocess.run([*again, "--one"], check=True, capture_output=True).stdout)
        for _ in range(options.runs)
    ]
    chosen = json.loads((options.folder / "report.json").read_text())["chosen"]
    promised, median = chosen["measured_ms"], statistics.median(found)
    off = 100 * (median / promised - 1)
    print(f"ONNX Runtime alone: {', '.join(f'{ms:.4f}' for ms in found)} ms, median {median:.4f}")
    print(f"lpnet measured {promised:.4f} ms: {off:+.1f}% off")
    return 0 if abs(off) <= _AGREES_PCT else 1


def timed_ms(file: Path, threads: int) -> float:
    """Median milliseconds of one inference."""
    import numpy as np
    import onnxruntime as ort

    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-threads:])
    asked = ort.SessionOptions()
    asked.intra_op_num_threads, asked.inter_op_num_threads = threads, 1
    session = ort.InferenceSession(file, asked, providers=["CPUExecutionProvider"])
    (given,) = session.get_inputs()
    rng = np.random.default_rng(0)
    feed = {given.name: rng.standard_normal(given.shape, dtype=np.float32)}
    times: list[float] = []
    began = time.perf_counter()
    while time.perf_counter() - began < _WARM_S + _TIMED_S:
        start = time.perf_counter()
        session.run(None, feed)
        if start - began > _WARM_S:
            times.append(1e3 * (time.perf_counter() - start))
    return statistics.median(times)


if __name__ == "__main__":
    raise SystemExit(main())
