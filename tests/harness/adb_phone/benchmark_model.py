"""LiteRT's benchmark_model as far as lpnet uses it, for a phone that is a Linux machine.

It takes the real one's flags and prints its lines (tflite/tools/benchmark in LiteRT); the network
is really run, by the LiteRT interpreter of the Python that starts this.
"""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

_KINDS: dict[str, tuple[Callable[[str], Any], Any]] = {
    "graph": (str, ""),
    "num_threads": (int, -1),
    "num_runs": (int, 50),
    "min_secs": (float, 1.0),
    "max_secs": (float, 150.0),
    "run_delay": (float, -1.0),
    "run_frequency": (float, -1.0),
    "warmup_runs": (int, 1),
    "warmup_min_secs": (float, 0.5),
    "use_xnnpack": (lambda word: {"true": True, "false": False}[word], False),
    "report_peak_memory_footprint": (lambda word: {"true": True, "false": False}[word], False),
}


def say(words: str) -> None:
    print(f"INFO: {words}", flush=True)


def fail(words: str) -> None:
    print(f"ERROR: {words}", file=sys.stderr, flush=True)
    raise SystemExit(1)


def flags(arguments: Sequence[str]) -> dict[str, Any]:
    found = {name: default for name, (_, default) in _KINDS.items()}
    unconsumed = []
    for argument in arguments:
        name, equals, value = argument.removeprefix("--").partition("=")
        if not argument.startswith("--") or name not in _KINDS or not equals:
            unconsumed.append(argument)
            continue
        try:
            found[name] = _KINDS[name][0](value)
        except (ValueError, KeyError):
            fail(f"Failed to parse flag '{name}' against the value '{value}'")
    if not found["graph"]:
        fail("Please specify the name of your TF Lite input file with --graph")
    if unconsumed:
        # It goes on without them.
        print(f"WARN: Unconsumed cmdline flags: {' '.join(unconsumed)}", flush=True)
    return found


def stats(values: Sequence[int]) -> str:
    """The line of figures, as tsl's StatWithPercentiles writes it; in us."""
    ordered = sorted(values)
    quantiles = " ".join(
        f"{name}={ordered[len(ordered) * percent // 100]}"
        for name, percent in (("p5", 5), ("median", 50), ("p95", 95))
    )
    if ordered[0] == ordered[-1]:
        same = "(all same)" if len(values) > 1 else ""
        return f"count={len(values)} curr={values[-1]}{same} {quantiles}"
    mean = sum(values) / len(values)
    std = int(math.sqrt(sum(value**2 for value in values) / len(values) - mean**2))
    return (
        f"count={len(values)} first={values[0]} curr={values[-1]} min={ordered[0]} "
        f"max={ordered[-1]} avg={mean:g} std={std} {quantiles}"
    )


def timed(
    run: Callable[[], None], least: int, min_s: float, max_s: float, frequency: float
) -> list[int]:
    """Durations of runs in whole us."""
    say(
        f"Running benchmark for at least {least} iterations and at least {min_s:g} seconds but "
        f"terminate if exceeding {max_s:g} seconds."
    )
    started = time.monotonic()
    taken: list[int] = []
    now = started
    while (len(taken) < least or now < started + min_s) and now <= started + max_s:
        start = time.perf_counter_ns()
        run()
        taken.append((time.perf_counter_ns() - start) // 1000)
        if frequency > 0:
            time.sleep(max(0.0, started + (len(taken) / frequency) - time.monotonic()))
        now = time.monotonic()
    say(stats(taken) + "\n")
    return taken


def main() -> None:
    given = flags(sys.argv[1:])
    say("Log parameter values verbosely: [0]")
    say(f"Graph: [{given['graph']}]")
    start = time.perf_counter_ns()
    import numpy as np
    from ai_edge_litert.interpreter import Interpreter

    try:
        interpreter = Interpreter(given["graph"], num_threads=given["num_threads"])
        interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        fail(f"Failed to load model {given['graph']}: {error}")
    init_us = (time.perf_counter_ns() - start) // 1000
    say(f"The input model file size (MB): {os.path.getsize(given['graph']) / 1e6:g}")
    say(f"Initialized session in {init_us / 1e3:g}ms.")
    rng = np.random.default_rng(0)
    for each in interpreter.get_input_details():
        drawn = rng.random(each["shape"]).astype(each["dtype"])
        interpreter.set_tensor(each["index"], drawn)
    most, frequency = given["max_secs"], given["run_frequency"]
    warm = timed(
        interpreter.invoke,
        given["warmup_runs"],
        given["warmup_min_secs"],
        most,
        frequency,
    )
    runs = timed(
        interpreter.invoke,
        given["num_runs"],
        given["min_secs"],
        most,
        frequency,
    )
    say(
        f"Inference timings in us: Init: {init_us}, First inference: {warm[0]}, "
        f"Warmup (avg): {sum(warm) / len(warm):g}, Inference (avg): {sum(runs) / len(runs):g}"
    )
    say(
        "Note: as the benchmark tool itself affects memory footprint, the following is only "
        "APPROXIMATE to the actual memory footprint of the model at runtime. Take the "
        "information at your discretion."
    )
    say("Memory footprint delta from the start of the tool (MB): init=1.25 overall=2.5")


if __name__ == "__main__":
    main()
