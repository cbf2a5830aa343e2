"""Processes that disturb a measurement: `python -m benchmarks.measuring.disturbers KIND CORE SEED
VICTIM`, until killed.

Bursts have random lengths. The detector was tuned on some kinds, and is tested on all of them.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import numpy as np
import psutil

# Recordings of the first were used to choose the rules, recordings of the second were not.
TUNED_ON = ("cpu", "memory", "cache", "mixed", "tree", "other-core")
NOT_TUNED_ON = ("frozen", "constant", "chores", "packing")
DESCRIPTIONS = {
    "quiet": "nothing else runs",
    "cpu": "three processes that compute, in bursts, same core",
    "memory": "two processes that stream 128 MB, in bursts, same core",
    "cache": "two processes that gather from 16 MB, in bursts, same core",
    "mixed": "two processes that compute, stream and gather in turn, same core",
    "tree": "a process that starts short-lived ones, like a build, same core",
    "frozen": "the measuring process stopped for 1 to 20 ms at random, as by a hypervisor",
    "other-core": "a process that streams 128 MB in bursts of a second, other core",
    "constant": "a process that computes without a pause, same core",
    "chores": "a process that works for a millisecond 200 times a second, same core",
    "packing": "a process that packs and unpacks 4 MB, then sleeps as long, same core",
}
_COUNTS = {"cpu": 3, "memory": 2, "cache": 2, "mixed": 2}
_ON_S, _OFF_S = 0.25, 0.15


@contextmanager
def running(kind: str, core: int, other_core: int, victim: int, seed: int) -> Iterator[None]:
    """Disturb `core`, `other_core` or the process `victim` within the context."""
    with ExitStack() as stack:
        pinned = other_core if kind in ("other-core", "frozen") else core
        for number in range(_COUNTS.get(kind, 1) if kind != "quiet" else 0):
            arguments = (kind, str(pinned), str(seed + 1000 * number), str(victim))
            process = subprocess.Popen(
                [sys.executable, "-m", __name__, *arguments],
                stdout=subprocess.PIPE,
                start_new_session=True,
                env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
            )
            stack.callback(_end, process, victim)
            assert process.stdout is not None
            process.stdout.readline()
        yield


def _end(process: subprocess.Popen[bytes], victim: int) -> None:
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert process.stdout is not None
    process.stdout.close()
    if psutil.pid_exists(victim):
        os.kill(victim, signal.SIGCONT)


def main(kind: str, core: int, seed: int, victim: int) -> None:
    os.sched_setaffinity(0, {core})
    rng = random.Random(seed)
    print("up", flush=True)
    if kind == "tree":
        _tree(rng)
    if kind == "frozen":
        _freeze(victim, rng)
    if kind == "chores":
        _chores(rng)
    if kind == "packing":
        _pack(rng)
    work = _loads()
    kinds = tuple(work) if kind == "mixed" else ("memory" if kind == "other-core" else kind,)
    on_s = 1.0 if kind == "other-core" else _ON_S
    while True:
        load = work["cpu" if kind == "constant" else rng.choice(kinds)]
        end = time.perf_counter() + rng.expovariate(1 / on_s)
        while time.perf_counter() < end:
            load()
        if kind != "constant":
            time.sleep(rng.expovariate(1 / (on_s if kind == "other-core" else _OFF_S)))


def _loads() -> dict[str, Callable[[], object]]:
    square = np.ones((200, 200), np.float32)
    source, sink = np.ones(8 << 20), np.ones(8 << 20)
    table = np.ones(2 << 20)
    indices = np.random.default_rng(0).integers(0, table.size, 200_000)
    return {
        "cpu": lambda: square @ square,
        "memory": lambda: np.copyto(sink, source),
        "cache": lambda: table[indices].sum(),
    }


def _tree(rng: random.Random) -> None:
    work = "sum(i * i for i in range(200000))"
    while True:
        started = [subprocess.Popen([sys.executable, "-S", "-c", work]) for _ in range(3)]
        for process in started:
            process.wait()
        time.sleep(rng.expovariate(10))


def _chores(rng: random.Random) -> None:
    while True:
        end = time.perf_counter() + rng.expovariate(1e3)
        while time.perf_counter() < end:
            sum(range(500))
        time.sleep(rng.expovariate(1 / 0.004))


def _pack(rng: random.Random) -> None:
    text = bytes(rng.choices(b"lpnet ", k=4 << 20))
    while True:
        start = time.perf_counter()
        zlib.decompress(zlib.compress(text, 1))
        time.sleep(time.perf_counter() - start)


def _freeze(victim: int, rng: random.Random) -> None:
    while True:
        os.kill(victim, signal.SIGSTOP)
        time.sleep(rng.uniform(0.001, 0.02))
        os.kill(victim, signal.SIGCONT)
        time.sleep(rng.expovariate(1 / 0.02))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
