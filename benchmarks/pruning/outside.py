"""A pruned network timed without lpnet: does ONNX Runtime alone agree with the report?

    python -m benchmarks.pruning.outside lpnet-prune [--threads 1] [--runs 3]

Takes the folder that `lpnet prune` wrote. It imports neither lpnet nor its agent. Each run is an
ONNX Runtime session in a process of its own, pinned to the last core and warmed up; its result is
the median of two seconds of back-to-back inferences. The median of all runs is compared with
`measured_ms` of report.json.
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
# The typical noise floor of a shared machine.
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
    runs_ms = [
        float(subprocess.run([*again, "--one"], check=True, capture_output=True).stdout)
        for _ in range(options.runs)
    ]
    chosen = json.loads((options.folder / "report.json").read_text())["chosen"]
    measured_ms, median = chosen["measured_ms"], statistics.median(runs_ms)
    deviation = 100 * (median / measured_ms - 1)
    print(
        f"ONNX Runtime alone: {', '.join(f'{ms:.4f}' for ms in runs_ms)} ms, median {median:.4f}"
    )
    print(f"lpnet measured {measured_ms:.4f} ms: {deviation:+.1f}% off")
    return 0 if abs(deviation) <= _AGREES_PCT else 1


def timed_ms(file: Path, threads: int) -> float:
    """Median milliseconds of one inference."""
    import numpy as np
    import onnxruntime as ort

    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-threads:])
    settings = ort.SessionOptions()
    settings.intra_op_num_threads, settings.inter_op_num_threads = threads, 1
    session = ort.InferenceSession(file, settings, providers=["CPUExecutionProvider"])
    (model_input,) = session.get_inputs()
    rng = np.random.default_rng(0)
    feed = {model_input.name: rng.standard_normal(model_input.shape, dtype=np.float32)}
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
