"""`lpnet-agent measure` and `list-runtimes`, as a user calls them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.harness.simulation import simulated_device

from lpnet.installation import install_command
from lpnet.schemas.sample import Sample
from lpnet.schemas.workload import SpaceWorkload, workload_key
from lpnet.space.space import Space
from lpnet_agent.owner.pause import Pause, PauseFile
from lpnet_agent.state import StateDir

FAST = {
    "LPNET_AGENT_BLOCK_S": "0.005",
    "LPNET_AGENT_NETWORK_S": "0.01",
    "LPNET_AGENT_VISITS": "2",
    "LPNET_AGENT_GAP_S": "0",
    "LPNET_AGENT_REPEAT_PAUSE_S": "0",
    "LPNET_AGENT_CROWDED": "1",
}
# How many samples are disturbed depends on the machine.
OUTPUT = ("--keep-going", "--json")
COMMAND = [sys.executable, "-m", "lpnet_agent"]


def agent(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments],
        env=os.environ | FAST | environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def lines(path: Path) -> list[Sample]:
    return [Sample.model_validate_json(line) for line in path.read_text().splitlines()]


def read(path: Path) -> list[Sample]:
    """The samples in a file, sentinels left out."""
    return [sample for sample in lines(path) if sample.sentinel is None]


def widths(sample: Sample) -> dict[str, int]:
    assert isinstance(sample.workload, SpaceWorkload)
    return sample.workload.widths


@pytest.fixture(scope="module", autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A place for state of this module's own: the command holds the state folder's lock."""
    path = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(path))
        yield path


@pytest.fixture(scope="module")
def run(
    space_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, subprocess.CompletedProcess[str]]:
    out = tmp_path_factory.mktemp("out") / "samples.jsonl"
    plan = ("--blocks", "12", "--networks", "3", "--repeats", "4", "--seed", "5")
    return out, agent("measure", "--space", str(space_file), "--out", str(out), *plan, *OUTPUT)


def test_samples_need_no_server(
    run: tuple[Path, subprocess.CompletedProcess[str]], space: Space
) -> None:
    out, done = run
    assert done.returncode == 0, done.stderr
    samples = read(out)
    assert Counter(sample.kind for sample in samples)["block"] >= 12
    assert len(samples) == 12 + 3 + 4
    assert len({sample.id for sample in samples}) == len(samples)
    for sample in samples:
        assert isinstance(sample.workload, SpaceWorkload)
        assert sample.workload.space == space.hash
        assert sample.measured_at is not None
        assert sample.draw is not None
        assert sample.conditions is not None
    assert "dense" in {s.draw for s in samples if s.kind == "network"}


def test_repeats_are_of_another_session(
    run: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    samples = read(run[0])
    sessions = list(dict.fromkeys(sample.session for sample in samples))
    assert len(sessions) == 2
    first, second = ([s for s in samples if s.session == name] for name in sessions)
    assert (len(first), len(second)) == (15, 4)
    assert {workload_key(s.workload) for s in second} <= {workload_key(s.workload) for s in first}


def test_sentinels_are_read_before_and_after(
    run: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    kinds = [sample.sentinel for sample in lines(run[0])]
    start = next(index for index, kind in enumerate(kinds) if kind is None)
    stop = start + kinds.count(None)
    assert set(kinds[start:stop]) == {None}
    for end in (kinds[:start], kinds[stop:]):
        assert set(end) == {"arithmetic", "memory"}
    summary = json.loads(run[1].stdout)
    assert set(summary["drift_pct"]) == {"arithmetic", "memory"}
    drifts = summary["drift_pct"].values()
    past = any(drift is not None and abs(drift) > 3 for drift in drifts)
    assert summary["drifted"] is (True if past else None if None in drifts else False)


def test_every_stage_is_a_line_in_a_pipe(
    run: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    begun = [line for line in run[1].stderr.splitlines() if line.endswith(": started")]
    stages = ("checking the device", "measuring", "repeating", "checking the device again")
    assert begun == [f"{stage}: started" for stage in stages]


def test_standard_output_holds_json_only(
    run: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    summary = json.loads(run[1].stdout)
    assert summary["samples"] == 19
    assert summary["repeated"] == 4
    assert summary["failures"] == []
    assert summary["noise_floor_pct"] is None
    reason = "0 of 10 workloads were measured again in another session, at least a minute later"
    assert summary["noise_floor_reason"] == reason
    assert summary["target"]["name"].endswith("-cpu-fp32-t1")
    assert 0 < summary["seconds"]["timed"] <= summary["seconds"]["total"]


def test_given_widths_are_measured_alone(space: Space, space_file: Path, tmp_path: Path) -> None:
    half = space.named(space.dense // 2)
    out = tmp_path / "samples.jsonl"
    listed = json.dumps(list(space.named(space.dense).values()))
    with simulated_device():
        done = agent(
            *("measure", "--space", str(space_file), "--out", str(out)),
            *("--widths", json.dumps(half), "--widths", listed),
        )
    assert done.returncode == 0, done.stderr
    assert "2 samples" in done.stdout
    assert "sentinels from before to after: arithmetic " in done.stdout
    small, full = sorted(read(out), key=lambda sample: sum(widths(sample).values()))
    assert widths(small) == half
    assert widths(full) == space.named(space.dense)
    assert small.draw == full.draw == "asked"
    assert small.latency_ms < full.latency_ms


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--widths", "{"), "not JSON"),
        (("--widths", "3"), "object of names"),
        (("--widths", "[1, 2]"), "2"),
        (("--blocks", "0", "--networks", "0"), "nothing to measure"),
        (("--threads", "4096"), "threads must be at most"),
    ],
)
def test_what_cannot_be_measured_is_said_in_a_line(
    space_file: Path, tmp_path: Path, arguments: tuple[str, ...], reason: str
) -> None:
    out = tmp_path / "samples.jsonl"
    done = agent("measure", "--space", str(space_file), "--out", str(out), *arguments)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert reason in done.stderr
    assert "Traceback" not in done.stderr
    assert not out.exists()


def test_a_file_that_is_no_space_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "space.onnx").write_bytes(b"garbage")
    for name in ("space.onnx", "missing.onnx"):
        done = agent(
            "measure", "--space", str(tmp_path / name), "--out", str(tmp_path / "s.jsonl")
        )
        assert done.returncode == 1
        assert done.stderr.startswith("error: ")


def test_a_workload_that_is_asked_for_twice_is_measured_twice(
    space: Space, space_file: Path, tmp_path: Path
) -> None:
    out = tmp_path / "samples.jsonl"
    dense = json.dumps(space.named(space.dense))
    done = agent(
        *("measure", "--space", str(space_file), "--out", str(out)),
        *("--widths", dense, "--widths", dense),
        LPNET_AGENT_VISITS="3",
    )
    assert done.returncode == 0, done.stderr
    samples = read(out)
    assert len({sample.id for sample in samples}) == len(samples) == 2
    for sample in samples:
        assert sample.conditions is not None
        assert len(sample.conditions.visits_ms) <= 3


def test_samples_are_not_overwritten_by_accident(space_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "samples.jsonl"
    out.write_text("mine\n")
    arguments = ("measure", "--space", str(space_file), "--out", str(out), "--blocks", "1")
    done = agent(*arguments, "--networks", "0")
    assert done.returncode == 1
    assert "--force" in done.stderr
    assert out.read_text() == "mine\n"
    assert agent(*arguments, "--networks", "0", "--force").returncode == 0
    assert len(read(out)) == 1


def test_bad_settings_name_the_setting(space_file: Path, tmp_path: Path) -> None:
    arguments = ("measure", "--space", str(space_file), "--out", str(tmp_path / "s.jsonl"))
    done = agent(*arguments, LPNET_AGENT_BLOCK_S="quick")
    assert done.returncode == 1
    assert "block_s" in done.stderr


def test_an_end_in_the_middle_keeps_what_was_measured(space_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "samples.jsonl"
    process = subprocess.Popen(
        [*COMMAND, "measure", "--space", str(space_file), "--out", str(out), "--blocks", "9999"],
        env=os.environ | FAST,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        while not (out.exists() and '"space"' in out.read_text()):
            assert process.poll() is None
            # Waits on the process instead of the clock: it ends early if the command does.
            try:
                process.wait(0.05)
            except subprocess.TimeoutExpired:
                continue
        process.send_signal(signal.SIGINT)
        words, _ = process.communicate(timeout=90)
    assert process.returncode == 1
    samples = read(out)
    assert 1 <= len(samples) < 9999
    assert f"{len(samples)} samples" in words


def test_it_does_not_measure_beside_an_agent(space_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "s.jsonl"
    command = ("measure", "--space", str(space_file), "--out", str(out), "--blocks", "1")
    with StateDir(tmp_path / "state"):
        done = agent(*command, "--state-dir", str(tmp_path / "state"))
    assert done.returncode == 1
    assert "another agent uses it" in done.stderr
    assert not out.exists()


@pytest.mark.parametrize("force", [(), ("--force",)])
@pytest.mark.parametrize(
    ("limit", "why"),
    [
        ({}, "nothing may be measured now: paused by its owner: backups run"),
        (
            {"LPNET_AGENT_MAX_SHARE": "0.25"},
            "max_share=0.25: this command measures without pauses",
        ),
        ({"LPNET_AGENT_MAX_TEMPERATURE_C": "80"}, "this device exposes no temperature"),
    ],
)
def test_its_owner_is_asked_before_it_begins(
    space_file: Path, tmp_path: Path, force: tuple[str, ...], limit: dict[str, str], why: str
) -> None:
    out, state = tmp_path / "s.jsonl", tmp_path / "state"
    PauseFile(state).write(Pause(reason="backups run"))
    command = ("measure", "--space", str(space_file), "--out", str(out), "--blocks", "1", *force)
    bare = {"LPNET_AGENT_ROOT": str(tmp_path)}
    done = agent(*command, "--state-dir", str(state), **limit, **bare)
    assert done.returncode == 1
    assert why in done.stderr
    assert not out.exists()


def test_runtimes_are_listed() -> None:
    done = agent("list-runtimes", "--json")
    entries = json.loads(done.stdout)
    assert {entry["name"] for entry in entries} >= {"onnxruntime", "torch", "openvino", "litert"}
    cpu, cuda, _ = (entry for entry in entries if entry["name"] == "onnxruntime")
    assert (cpu["provider"], cpu["available"], cpu["reason"]) == ("cpu", True, None)
    assert "fp32" in cpu["precisions"]
    assert "fp16" in cpu["without"]
    assert cuda["available"] == (cuda["reason"] is None)
    lines = agent("list-runtimes").stdout.splitlines()
    assert len([line for line in lines if not line.startswith(" ")]) == len(entries)
    place = lines.index(f"onnxruntime {cpu['version']}, cpu: fp32, int8")
    assert lines[place + 1] == f"    not fp16, bf16: {cpu['without']['fp16']}"


def test_a_missing_extra_is_a_line_and_not_a_traceback(tmp_path: Path) -> None:
    """The packages of the extra are hidden as an environment without them would."""
    code = (
        "import sys\n"
        "for name in ('onnxruntime', 'psutil', 'cpuinfo', 'pydantic_settings'):\n"
        "    sys.modules[name] = None\n"
        "from lpnet_agent.main import app\n"
        "app()\n"
    )
    for command in (["run"], ["measure", "--space", "x", "--out", str(tmp_path / "y")]):
        done = subprocess.run(
            [sys.executable, "-c", code, *command], capture_output=True, text=True, check=False
        )
        assert done.returncode == 1
        assert install_command("agent") in done.stderr
        assert "Traceback" not in done.stderr


def test_a_negative_seed_is_refused(space_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "samples.jsonl"
    done = agent("measure", "--space", str(space_file), "--out", str(out), "--seed", "-1")
    assert done.returncode == 2
    assert "--seed" in done.stderr
    assert not out.exists()
