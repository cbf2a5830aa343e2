"""`lpnet demo` as a user runs it, on a small network: its JSON, its output, its processes.

It measures a simulated device: what is checked here holds on any machine. How well it does on a
real one is for `python -m benchmarks.demo`.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from tests.harness.simulation import simulated_device

import lpnet
from lpnet.schemas.report import Report

# Blocks and networks that the second runtime measures, and widths of the sweep; a few of them are
# drawn twice.
MEASURED_BY_BOTH = 30 + 12 + 17


def command(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from lpnet.cli.main import app; app()", *arguments],
        cwd=folder,
        env={**os.environ, "COLUMNS": "200", "LPNET_AGENT_THREADS": "2"},
        capture_output=True,
        text=True,
        timeout=1800,
        check=False,
    )


def running_from(folder: Path) -> list[int]:
    """Processes that work for a demo in this folder."""
    found = []
    for process in psutil.process_iter(["cmdline", "environ"]):
        about = [*(process.info["cmdline"] or []), *(process.info["environ"] or {}).values()]
        if process.pid != os.getpid() and any(str(folder) in text for text in about):
            found.append(process.pid)
    return found


@pytest.mark.slow
def test_the_demo_keeps_what_it_says(tmp_path: Path) -> None:
    small = ("--model", "resnet20", "--blocks", "30", "--networks", "12", "--epochs", "1")
    with simulated_device():
        done = command("demo", *small, "--json", "out/demo.json", folder=tmp_path)
    assert done.returncode == 0, done.stderr

    written = json.loads((tmp_path / "out/demo.json").read_text())
    report = Report.model_validate(written["report"])
    assert report.held_out.network is not None
    assert report.held_out.network.n >= 10
    assert set(written["seconds"]) == {"profile", "train", "prune", "compare", "total"}
    shrink = written["shrink"]
    asked = {"dense_ms", "budget_ms", "predicted_ms", "measured_ms", "uniform_ms", "widths"}
    assert asked <= set(shrink)
    assert shrink["budget_ms"] == pytest.approx(shrink["dense_ms"] / 2)
    assert shrink["predicted_ms"] <= shrink["budget_ms"] * (1 + 1e-6)
    assert shrink["measured_ms"] < shrink["dense_ms"]
    *earlier, last = shrink["tries"]
    assert last["measured_ms"] == shrink["measured_ms"]
    assert len(earlier) <= 2
    assert all(one["measured_ms"] > 1.02 * shrink["budget_ms"] for one in earlier)
    assert shrink["macs"]["uniform"] == pytest.approx(shrink["macs"]["shrunk"], rel=0.1)

    pruned = written["prune"]
    resnet = lpnet.zoo.space("resnet20")
    assert pruned["budget_ms"] in (share * pruned["dense_ms"] for share in (0.5, 0.6, 0.75, 0.9))
    assert pruned["predicted_ms"] < pruned["dense_ms"]
    assert 0.7 < pruned["measured_ms"] / pruned["budget_ms"] < 1.3
    assert pruned["kept"] is (0.93 <= pruned["measured_ms"] / pruned["budget_ms"] <= 1.02)
    assert 0 <= pruned["accuracy_before"] <= 1
    assert 0 <= pruned["accuracy_after"] <= 1
    assert resnet.macs(resnet.vector(pruned["widths"])) < resnet.macs(resnet.dense)

    assert "LPNet trained again" not in done.stdout, "it knows this network already"
    assert re.search("budget (met|NOT met|not used up): ", done.stdout)
    assert report.target in done.stdout
    compared = re.search(r"(\d+) workloads in common; latency over that of", done.stdout)
    assert compared is not None
    assert 0.9 * MEASURED_BY_BOTH < int(compared[1]) <= MEASURED_BY_BOTH
    assert re.search(r"LPNET_DATABASE_URL=sqlite:///\S+\.db lpnet-service run", done.stdout)
    assert f"lpnet table {report.target}" in done.stdout
    assert running_from(tmp_path) == []


def test_a_result_that_could_not_be_written_is_refused_before_anything_runs(
    tmp_path: Path,
) -> None:
    (tmp_path / "file").write_text("")
    done = command("demo", "--json", "file/out.json", folder=tmp_path)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "lpnet-demo").exists()
