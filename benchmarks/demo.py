"""What `lpnet demo` reaches on this machine: latencies against budgets, and accuracies.

    python -m benchmarks.demo [options of `lpnet demo`]

Tests check the demo on a simulated device. How close it comes on a real one depends on the machine
and on what else runs there, so it is judged here. Exits with 1 where a limit is missed.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

# The shrunk and the pruned network, measured, as a share of their budgets.
BUDGET_RANGE = (0.7, 1.3)
# Of ten classes; a pruned network that still reads digits has more.
MIN_ACCURACY = 0.5
MIN_HELD_OUT = 7


def main(options: list[str]) -> int:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "demo.json"
        command = "from lpnet.cli.main import app; app()"
        where = ("--dir", folder, "--json", str(file))
        subprocess.run([sys.executable, "-c", command, "demo", *where, *options], check=True)
        results = json.loads(file.read_text())
    failures = 0
    for name, value, holds in checks(results):
        failures += not holds
        print(f"  {name:45} {value:>8.3f}  {'ok' if holds else 'MISSED'}")
    return 1 if failures else 0


def checks(results: dict[str, Any]) -> list[tuple[str, float, bool]]:
    """Name, value and verdict of everything that is judged."""
    held_out = results["report"]["held_out"]["network"]
    count = held_out["n"] if held_out else 0
    rows = [("undisturbed networks held out", float(count), count >= MIN_HELD_OUT)]
    for name, part in (("shrunk", results["shrink"]), ("pruned", results["prune"])):
        share = part["measured_ms"] / part["budget_ms"]
        rows.append(
            (
                f"{name} network, share of its budget",
                share,
                BUDGET_RANGE[0] < share < BUDGET_RANGE[1],
            )
        )
        share = part["measured_ms"] / part["dense_ms"]
        rows.append((f"{name} network, share of the dense latency", share, share < 1))
    for name in ("accuracy_before", "accuracy_after"):
        accuracy = results["prune"][name]
        rows.append((name.replace("_", " ") + " pruning", accuracy, accuracy > MIN_ACCURACY))
    return rows


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
