"""Run all benchmarks, one after another: `make bench`, or `python -m benchmarks NAME ...`."""

from __future__ import annotations

import subprocess
import sys

BENCHMARKS = {
    "prediction_speed": "one local prediction with gradient, against one forward pass",
    "ingest": "POST /v1/samples:batch into SQLite, against bare sqlite3",
    "claims": "jobs per second with 1, 2, 4 API processes, on SQLite and on Postgres",
    "load": "1,000 agents: idle, and with up to 100 jobs a second, on SQLite and Postgres",
    "storage": "bytes, seconds and memory on SQLite and Postgres, against JSON lines",
    "storage.worker": "memory and time of a training worker, against one at rest",
    "pages": "what the pages ask of a server with 1,000,000 samples, SQLite and Postgres",
    "observability": "requests with ids, metrics and JSON log lines, against without",
    "demo": "latencies of `lpnet demo` against its budgets, and its accuracies",
    "network_accuracy": "ResNet-50: profile, train, report beside the baselines",
    "accuracy.kinds": "an LPNet on squeeze-excite, concat, FFN and attention, beside baselines",
    "accuracy.many": "ensembles of many LPNets with stacked parameters, against one after another",
    "accuracy.pruned": "an LPNet on networks that its predictions chose, and on unseen spaces",
    "measuring": "measurements on a disturbed machine, against usual methods",
    "measuring.cost": "seconds per sample, and the share of time spent in timed runs",
    "measuring.duty": "back-to-back runs against runs with rests in between",
    "runtimes": "the same blocks in every runtime here, against ONNX Runtime",
    "agent_memory": "memory of an agent while it measures, against a bare script",
    "pruning.latency_term": "a training step with gates and the latency term, against without",
    "spaces.speed": "a torch module to a space, against an export alone",
    "exactness": "op table and template against physically pruned models",
}


def main(names: list[str]) -> int:
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        print(
            f"unknown: {', '.join(unknown)}; there are: {', '.join(BENCHMARKS)}", file=sys.stderr
        )
        return 2
    failed = []
    for name in names or BENCHMARKS:
        print(f"== {name}: {BENCHMARKS[name]}", flush=True)
        if subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=False).returncode:
            failed.append(name)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
