"""Judging families one after another, each in a process with limits of time and memory."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.spaces.catalogue import Family
from benchmarks.spaces.record import Failure, Record, read

_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Limits:
    seconds: float
    memory_gb: float


def judge(family: Family, path: Path, limits: Limits, arguments: Sequence[str] = ()) -> Record:
    """The record of a family, also written to `path`."""
    path.unlink(missing_ok=True)
    command = [sys.executable, "-m", "benchmarks.spaces.judge", family.name, str(path)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    end = ""
    try:
        done = subprocess.run(
            [*command, *arguments],
            cwd=_ROOT,
            env=environment,
            timeout=limits.seconds,
            capture_output=True,
            text=True,
            check=False,
            preexec_fn=lambda: _limit_memory(limits.memory_gb),
        )
        if done.returncode:
            last = done.stderr.strip().splitlines()[-1:] or ["no message"]
            end = f"the process ended with status {done.returncode}: {last[0]}"
    except subprocess.TimeoutExpired:
        end = f"not finished after {limits.seconds:.0f} s"
    record = read(path) if path.exists() else Record(family.name, family.kind)
    if end:
        record.failures.append(Failure("process", end, "", silent=False))
        record.write(path)
    return record


def _limit_memory(gigabytes: float) -> None:
    # Address space: threads and mapped files reserve several gigabytes that are never touched.
    limit = int(gigabytes * 2**30)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
