"""`lpnet fast` with real processes on a simulated device: it refuses, measures, and advises."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from tests.harness.simulation import simulated_device

from lpnet_demo.processes import LocalLoop

FFN = ("ffn", "--hidden", "64..256", "--tokens", "16", "--channels", "64")


@pytest.fixture(scope="module")
def loop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalLoop]:
    with simulated_device(), LocalLoop(tmp_path_factory.mktemp("loop")) as running:
        yield running


def fast(loop: LocalLoop, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from lpnet.cli.main import app; app()", "fast", *arguments],
        env={**os.environ, "LPNET_URL": loop.url, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=1800,
        check=False,
    )


def test_a_block_is_measured_once_and_then_predicted(loop: LocalLoop) -> None:
    target = loop.wait_for_target()
    refused = fast(loop, *FFN, "--target", target)
    assert refused.returncode == 1
    command = f"lpnet fast ffn --hidden 64..256 --channels 64 --tokens 16 --target {target}"
    assert f"has no LPNet yet; to measure the block, run {command} --measure" in refused.stderr

    measured = fast(loop, *FFN, "--target", target, "--measure", "--samples", "60", "--json")
    assert measured.returncode == 0, measured.stderr
    facts = json.loads(measured.stdout)
    assert facts["sizes"] == {"hidden": 256, "channels": 64, "tokens": 16}
    sizes = facts["fast"]
    assert sizes[-1]["hidden"] == 256
    assert sizes[-1]["stop"]
    assert all(64 <= size["hidden"] <= 256 for size in sizes)
    latencies = [size["ms"] for size in sizes]
    assert latencies == sorted(latencies)
    assert all(size["low_ms"] <= size["ms"] <= size["high_ms"] for size in sizes)
    assert facts["advice"]

    predicted = fast(loop, *FFN, "--target", target)
    assert predicted.returncode == 0, predicted.stderr
    assert facts["advice"][0]["text"] in predicted.stdout
    assert "256" in predicted.stdout

    # Another kind has ops that were not measured.
    other = fast(loop, "dwconv", "--hidden", "16..64", "--side", "8", "--target", target, "--json")
    assert other.returncode == 1
    assert other.stdout == ""
    assert "--side 8 --channels 11" in other.stderr
    assert "--measure" in other.stderr
