"""The demo on this machine, quiet and beside a loud neighbour.

    python -m benchmarks.measuring.demos [--quiet 5] [--loud 5] [--write]

Runs the first two parts of `lpnet demo` in a pipe, that many times each. The neighbour computes in
spells of a second in the mean, half of the time, on whichever core the scheduler gives it. --write
keeps the results in benchmarks/measuring/demos.json, and writes the table into
docs/results/measuring.md.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter

from lpnet_agent.device_info.facts import cpu_and_flags

RESULTS = Path(__file__).with_name("demos.json")
_SPELL_S = 1.0
_MEASURING = "measuring: started"
# Exit status of a demo that stopped because its samples are disturbed.
_STOPPED = 3


@dataclass(frozen=True)
class Demo:
    """A run of the demo. Errors are MAPE of held-out networks in percent; `covered` of `held_out`
    networks lie in their 90% interval; budgets are shares. `silent_s` is the longest time without
    a line, `measuring_s` the time from the first measuring to the end of the run. The figures are
    null where the demo stopped, and `reason` says why."""

    loud: bool
    status: int
    total_s: float
    measuring_s: float
    silent_s: float
    networks_pct: float | None = None
    blocks_pct: float | None = None
    flops_pct: float | None = None
    noise_floor_pct: float | None = None
    held_out: int = 0
    covered: int = 0
    shrunk: float | None = None
    pruned: float | None = None
    reason: str = ""


@dataclass(frozen=True)
class Demos:
    """Runs of the demo on a machine with that CPU."""

    date: str
    cpu: str
    runs: list[Demo] = field(default_factory=list)


def run(loud: bool, seed: int) -> Demo:
    with tempfile.TemporaryDirectory() as folder, _neighbour(loud, seed):
        file = Path(folder) / "demo.json"
        code = "from lpnet.cli.main import app; app()"
        options = ("--no-second", "--seed", str(seed), "--dir", folder, "--json", str(file))
        start = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "-u", "-c", code, "demo", *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        lines = list(_timed_lines(process))
        status, total_s = process.wait(), time.monotonic() - start
        times = [start, *(at for at, _ in lines), start + total_s]
        began = next((at for at, line in lines if line == _MEASURING), start)
        text = file.read_text() if file.exists() else ""
        figures = _figures(json.loads(text)) if text else {"reason": _reason(lines)}
    return Demo(
        loud=loud,
        status=status,
        total_s=round(total_s, 1),
        measuring_s=round(start + total_s - began, 1),
        silent_s=round(max(b - a for a, b in pairwise(times)), 1),
        **figures,
    )


def _timed_lines(process: subprocess.Popen[str]) -> Iterator[tuple[float, str]]:
    assert process.stdout is not None
    for line in process.stdout:
        print(line, end="", file=sys.stderr, flush=True)
        yield time.monotonic(), line.strip()


def _figures(result: dict[str, Any]) -> dict[str, Any]:
    report = result["report"]
    networks, interval = report["held_out"]["network"], report["interval"]
    shares = {
        name: result[part]["measured_ms"] / result[part]["budget_ms"]
        for name, part in (("shrunk", "shrink"), ("pruned", "prune"))
    }
    return {
        "networks_pct": networks["mape_pct"],
        "blocks_pct": report["held_out"]["block"]["mape_pct"],
        "flops_pct": report["baselines"]["flops_linear"]["network"]["mape_pct"],
        "noise_floor_pct": report["noise_floor_pct"],
        "held_out": networks["n"],
        "covered": round(networks["n"] * interval["covered_pct"] / 100),
        **shares,
    }


def _reason(lines: Sequence[tuple[float, str]]) -> str:
    errors = [line for _, line in lines if line.startswith("error: ")]
    return errors[-1].removeprefix("error: ") if errors else ""


@contextmanager
def _neighbour(loud: bool, seed: int) -> Iterator[None]:
    if not loud:
        yield
        return
    arguments = [sys.executable, "-m", __name__, "--neighbour", str(seed)]
    process = subprocess.Popen(arguments, env=os.environ | {"OPENBLAS_NUM_THREADS": "1"})
    try:
        yield
    finally:
        process.kill()
        process.wait()


def _compute_in_spells(seed: int) -> None:
    rng, square = random.Random(seed), np.ones((200, 200), np.float32)
    while True:
        end = time.perf_counter() + rng.expovariate(1 / _SPELL_S)
        while time.perf_counter() < end:
            square @ square
        time.sleep(rng.expovariate(1 / _SPELL_S))


def read() -> Demos | None:
    """None if the benchmark was not run yet."""
    return TypeAdapter(Demos).validate_json(RESULTS.read_bytes()) if RESULTS.exists() else None


def main() -> int:
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quiet", type=int, default=5)
    parser.add_argument("--loud", type=int, default=5)
    parser.add_argument("--neighbour", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--write", action="store_true", help="keep results, write the docs")
    options = parser.parse_args()
    if options.neighbour is not None:
        _compute_in_spells(options.neighbour)
    from benchmarks.measuring import docs, tables

    today = datetime.now(UTC).date().isoformat()
    demos = Demos(today, cpu_and_flags()[0] or "unknown")
    for loud, count in ((False, options.quiet), (True, options.loud)):
        for seed in range(count):
            demos.runs.append(run(loud, seed))
            if options.write:
                RESULTS.write_text(json.dumps(asdict(demos), indent=1) + "\n")
    print(tables.demos(demos))
    if options.write:
        docs.write()
    broken = [demo for demo in demos.runs if demo.status not in (0, _STOPPED)]
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
