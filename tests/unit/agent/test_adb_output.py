"""What benchmark_model prints, read strictly."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.harness.adb_phone import benchmark_model

from lpnet_agent.devices.adb.output import check_flags, parse
from lpnet_agent.errors import MeasureFailed

WARMUP = (
    "count=12 first=9120 curr=8911 min=8790 max=9120 avg=8874.5 std=71 p5=8790 median=8850 "
    "p95=9120"
)
RUNS = (
    "count=51 first=9832 curr=9801 min=9702 max=10311 avg=9834.71 std=118 p5=9722 median=9815 "
    "p95=10020"
)

# The lines of the real one, of LiteRT's main branch in 2025, with its own blank lines.
PRINTED = f"""INFO: STARTING!
INFO: Log parameter values verbosely: [0]
INFO: Min num runs: [6]
INFO: Graph: [n.tflite]
INFO: Use xnnpack: [1]
INFO: Loaded model n.tflite
INFO: Created TensorFlow Lite XNNPACK delegate for CPU.
INFO: The input model file size (MB): 3.57776
INFO: Initialized session in 10.117ms.
INFO: Running benchmark for at least 1 iterations and at least 0.3 seconds but terminate if exceeding 20 seconds.
INFO: {WARMUP}

INFO: Running benchmark for at least 6 iterations and at least 0.25 seconds but terminate if exceeding 20 seconds.
INFO: {RUNS}

INFO: Inference timings in us: Init: 10117, First inference: 9120, Warmup (avg): 8874.5, Inference (avg): 9834.71
INFO: Note: as the benchmark tool itself affects memory footprint, the following is only APPROXIMATE
INFO: Memory footprint delta from the start of the tool (MB): init=8.12891 overall=9.64062
"""  # noqa: E501


def test_every_figure_is_in_milliseconds() -> None:
    timing = parse(PRINTED)
    assert timing.count == 51
    assert timing.median_ms == 9.815
    assert (timing.min_ms, timing.p5_ms, timing.p95_ms, timing.max_ms) == (
        9.702,
        9.722,
        10.02,
        10.311,
    )
    assert timing.mean_ms == pytest.approx(9.83471)
    assert timing.std_ms == 0.118
    assert timing.init_ms == 10.117
    assert timing.total_s == pytest.approx(51 * 9.83471e-3)


def test_older_builds_print_without_their_prefix() -> None:
    assert parse(PRINTED.replace("INFO: ", "")) == parse(PRINTED)


def test_runs_that_all_took_the_same() -> None:
    same = "count=40 curr=35(all same) p5=35 median=35 p95=35"
    timing = parse(PRINTED.replace(RUNS, same).replace("(avg): 9834.71", "(avg): 35"))
    assert (timing.count, timing.min_ms, timing.max_ms, timing.std_ms) == (40, 0.035, 0.035, 0.0)


def test_a_single_run() -> None:
    once = "count=1 curr=1534982 p5=1534982 median=1534982 p95=1534982"
    timing = parse(PRINTED.replace(RUNS, once).replace("(avg): 9834.71", "(avg): 1.53498e+06"))
    assert (timing.count, timing.median_ms) == (1, 1534.982)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (RUNS, "", "1 lines of figures"),
        (RUNS, f"{RUNS}\nINFO: {RUNS}", "3 lines of figures"),
        ("Inference timings in us", "Inference timings in ms", "0 summaries"),
        ("median=9815 p95", "p95", "cannot be parsed"),
        (" p5=9722 median=9815 p95=10020", "", "prints no median"),
        ("median=9815", "median=98.15ms", "cannot be parsed"),
        ("median=9815", "median=-1", "cannot be parsed"),
        ("median=9815", "median=nan", "cannot be parsed"),
        ("median=9815", "median=9.815", "quantiles are not in order"),
        ("min=9702", "min=0", "took no time"),
        ("avg=9834.71", "avg=9.83471", "mean is not between"),
        (
            "Inference (avg): 9834.71",
            "Inference (avg): 9834.01",
            "differs from that of the summary",
        ),
        ("count=51", "count=0", "count is not a positive integer"),
        ("count=51", "count=51 p99=10200", "cannot be parsed"),
    ],
)
def test_what_is_not_as_it_should_be_is_no_figure(old: str, new: str, message: str) -> None:
    assert old in PRINTED
    with pytest.raises(MeasureFailed, match=message):
        parse(PRINTED.replace(old, new))


def test_the_line_is_in_the_error() -> None:
    with pytest.raises(MeasureFailed, match=r"count=51 first=9832.*median=oops"):
        parse(PRINTED.replace("median=9815", "median=oops"))
    with pytest.raises(MeasureFailed, match="Segmentation"):
        parse("Segmentation fault\n")


def test_flags_that_it_does_not_know_are_named() -> None:
    check_flags(PRINTED)
    warned = f"WARN: Unconsumed cmdline flags: --warmup_min_secs=0.3 --new\n{PRINTED}"
    with pytest.raises(MeasureFailed, match=r"does not know --warmup_min_secs=0.3 --new: "):
        check_flags(warned)


@given(st.lists(st.integers(1, 10**9), min_size=1, max_size=60))
def test_all_that_it_can_print_is_read(taken: list[int]) -> None:
    """By the tests' own benchmark_model, which writes as the real one does."""
    line = benchmark_model.stats(taken)
    mean = f"{sum(taken) / len(taken):g}"
    timing = parse(PRINTED.replace(RUNS, line).replace("(avg): 9834.71", f"(avg): {mean}"))
    assert timing.count == len(taken)
    assert timing.median_ms == sorted(taken)[len(taken) // 2] / 1e3
    assert timing.min_ms == min(taken) / 1e3
