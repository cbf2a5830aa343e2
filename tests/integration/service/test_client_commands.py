"""The `lpnet` command against a running service: conditions, dry runs, and what is unknown."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from lpnet import Client
from lpnet.errors import Conflict
from lpnet.http import Http
from lpnet.schemas.campaign import Completion, ItemFailure, Lease, LeaseRequest, NewCampaign
from lpnet.schemas.condition import ConditionReport
from lpnet.schemas.device import DeviceFacts, Registration, RegistrationResponse, TargetSpec
from lpnet.schemas.sample import Sample
from lpnet.space.space import Space
from lpnet_demo.processes import LocalLoop

TARGET = "desk-cpu"
OPS = {"ops": [{"type": "linear", "c_in": 64, "c_out": 64}]}


@dataclass(frozen=True)
class Desk:
    """A running service, and an agent's side of it that says what a test tells it to."""

    url: str
    client: Client
    http: Http
    agent: str
    space: Path

    def lpnet(self, *arguments: str, columns: int = 250) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "LPNET_URL": self.url, "COLUMNS": str(columns)}
        return subprocess.run(
            [sys.executable, "-c", "from lpnet.cli.main import app; app()", *arguments],
            env=environment,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )

    def say(self, *arguments: str) -> str:
        done = self.lpnet(*arguments)
        assert done.returncode == 0, done.stderr
        return " ".join(done.stdout.split())

    def report(
        self, state: str, reason: str | None, cleared: int = 0, cause: str | None = None
    ) -> None:
        condition = {"target": TARGET, "state": state, "reason": reason, "cleared": cleared}
        condition |= {"cause": cause}
        path = f"/v1/agents/{self.agent}/condition"
        self.http.post(path, ConditionReport.model_validate(condition))

    def store(self, *samples: dict[str, Any]) -> None:
        self.client.import_samples(TARGET, [Sample.model_validate(sample) for sample in samples])


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, space: Space) -> Iterator[Desk]:
    folder = tmp_path_factory.mktemp("desk")
    space.save(folder / "little.onnx")
    with LocalLoop(folder, agent=False) as loop, Http(loop.url) as http:
        registration = Registration(
            device="desk",
            facts=DeviceFacts(),
            targets=(TargetSpec(name=TARGET),),
            agent_version="1",
        )
        agent = RegistrationResponse.model_validate(http.post("/v1/agents", registration)).agent
        yield Desk(loop.url, loop.client, http, agent, folder / "little.onnx")


def test_a_dry_run_starts_nothing_and_tells_what_it_would(desk: Desk) -> None:
    output = desk.say("profile", TARGET, str(desk.space), "--dry-run", "--networks", "30")
    assert "356 samples on desk-cpu" in output
    assert "unknown: nothing was measured on this target yet" in output
    assert "2 of 2 widths are varied, 3 of 3 blocks are timed alone" in output
    assert "to 100% of dense MACs" in output
    assert "networks would be held out: enough" in output
    assert "it would start at once" in output
    estimate = json.loads(
        desk.say("profile", TARGET, str(desk.space), "--dry-run", "--networks", "3", "--json")
    )
    assert not estimate["judging"]["enough"]
    assert estimate["time"]["minutes"] is None
    assert desk.http.get("/v1/campaigns")["items"] == []


def measure_disturbed(desk: Desk) -> None:
    """Complete the next job as an agent does; all its samples are disturbed."""
    request = LeaseRequest(targets=(TARGET,), wait_s=30)
    path = f"/v1/agents/{desk.agent}/leases"
    lease = Lease.model_validate(desk.http.post(path, request, timeout=40))
    samples = tuple(
        Sample(
            **item.model_dump(exclude={"draw"}),
            latency_ms=1.0,
            disturbed=True,
            reasons=("the CPU was throttled for heat",),
        )
        for item in lease.items
    )
    desk.http.post(f"/v1/leases/{lease.token}/complete", Completion(samples=samples))


def test_a_host_that_cannot_be_measured_is_named_after_a_dozen_workloads(desk: Desk) -> None:
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(desk.lpnet, "profile", TARGET, str(desk.space), "--networks", "0")
        measure_disturbed(desk)
        done = running.result()
    assert (done.returncode, done.stdout) == (3, "")
    assert "12 of 12 samples are disturbed: the CPU was slowed down for heat (12)" in done.stderr
    assert "what would help:\n  - let the device cool" in done.stderr
    (campaign, *_) = desk.http.get("/v1/campaigns")["items"]
    assert (campaign["state"], campaign["measured"], campaign["disturbed"]) == (
        "cancelled",
        12,
        12,
    )


def test_what_keeps_a_target_is_shown_until_someone_clears_it(desk: Desk) -> None:
    assert "neither paused nor broken" in desk.lpnet("clear", TARGET).stderr
    desk.report("broken", "the memory sentinel is 14% above its level")
    output = desk.say("targets")
    assert "broken: the memory sentinel is 14% above its level, since" in output
    dry = desk.say("profile", TARGET, str(desk.space), "--dry-run")
    assert "it would wait: the target is broken: the memory sentinel" in dry
    assert "desk-cpu is ready; epoch 2 begins" in desk.say("clear", TARGET)
    assert "idle: no jobs are waiting" in desk.say("targets")
    with pytest.raises(Conflict):
        desk.client.clear(TARGET)
    desk.report("paused", "quiet hours until 07:00", cleared=1, cause="owner")
    refused = " ".join(desk.lpnet("clear", TARGET).stderr.split())
    assert "paused by its owner: quiet hours until 07:00" in refused
    desk.report("paused", "the memory sentinel is 5% above", cleared=1, cause="sentinel")
    assert json.loads(desk.say("clear", TARGET, "--json"))["cleared"] == 2


def test_sentinels_are_told_with_their_drift_and_what_it_means(desk: Desk) -> None:
    reading = {"kind": "network", "workload": OPS, "sentinel": "arithmetic"}
    # Of the current epoch, which an earlier test may have opened a moment ago.
    now = datetime.now(UTC)
    desk.store(
        *(
            reading | {"latency_ms": 2.0, "measured_at": now + timedelta(minutes=i)}
            for i in range(5)
        ),
        reading | {"latency_ms": 2.1, "measured_at": now + timedelta(minutes=8)},
        reading
        | {"latency_ms": 9.0, "measured_at": now + timedelta(minutes=9), "disturbed": True},
    )
    output = desk.say("sentinels", TARGET)
    assert "level in epoch" in output
    assert "arithmetic 2 ms" in output or "arithmetic 2.000 ms" in output
    assert (
        output.index("disturbed: not used")
        < output.index("+5.0%")
        < output.index("sets the level")
    )
    assert "(limit 3.0%)" in output
    assert "A drift beyond the limit, up or down, pauses the target" in output
    history = desk.client.sentinels(TARGET, limit=2)
    assert [reading.drift_pct for reading in history.items] == pytest.approx([350.0, 5.0])
    assert json.loads(desk.say("sentinels", TARGET, "--json"))["level_ms"] == {"arithmetic": 2.0}


def test_targets_can_be_read_on_80_columns(desk: Desk) -> None:
    desk.report("broken", "the memory sentinel is 14% above its level " * 4, cleared=9)
    lines = desk.lpnet("targets", columns=80).stdout.splitlines()
    desk.report("ready", None, cleared=9)
    head, row, state = lines[:3]
    assert head.split() == ["target", "state", "samples", "noise", "error"]
    assert row.split()[:2] == [TARGET, "broken"]
    assert row.split()[3:] == ["unknown", "no", "LPNet"]
    assert len(row) <= 80
    assert state.startswith(f"{TARGET}: broken: the memory sentinel is 14% above its level")
    assert "\N{HORIZONTAL ELLIPSIS}" not in "".join(lines)


def test_what_is_not_known_is_said(desk: Desk) -> None:
    output = desk.say("targets")
    assert "no LPNet" in output
    reason = "0 of 10 workloads were measured again in another session, at least a minute later"
    assert f"noise floor unknown: {reason}" in output
    assert f"noise floor unknown: {reason}" in desk.say("table", TARGET)
    (target,) = json.loads(desk.say("targets", "--json"))
    assert (target["noise_floor_pct"], target["noise_floor_reason"]) == (None, reason)


def test_disturbed_samples_are_told_with_their_reasons(desk: Desk) -> None:
    desk.store(
        {"workload": OPS, "latency_ms": 3.25},
        {"workload": OPS, "latency_ms": 8.0, "disturbed": True, "reasons": ["steal 12%"]},
    )
    output = desk.say("table", TARGET, "--disturbed")
    assert "disturbed: steal 12%" in output
    assert "3.250" not in output
    rows = json.loads(desk.say("table", TARGET, "--undisturbed", "--json"))
    assert [row["latency_ms"] for row in rows] == [3.25]
    assert rows[0]["noise_floor_pct"] is None


def test_what_did_not_fit_is_told(desk: Desk, space: Space) -> None:
    (before,) = json.loads(desk.say("targets", "--json"))
    assert before["memory"] is None
    assert "do not fit" not in desk.say("targets")
    workload = {"space": space.hash, "widths": space.named(space.dense)}
    planned = {"kind": "network", "workload": workload}
    desk.client.upload(space)
    campaign = {"target": TARGET, "space": space.hash, "workloads": [planned]}
    desk.http.post("/v1/campaigns", NewCampaign.model_validate(campaign))
    request = LeaseRequest(targets=(TARGET,), wait_s=0)
    lease = Lease.model_validate(desk.http.post(f"/v1/agents/{desk.agent}/leases", request))
    failed = ItemFailure(item=lease.items[0].id, reason="too large", out_of_memory=True)
    desk.http.post(f"/v1/leases/{lease.token}/complete", Completion(failures=(failed,)))
    need_mib = space.memory(space.dense) / 2**20
    (after,) = json.loads(desk.say("targets", "--json"))
    assert after["memory"]["fails_mib"] == need_mib
    message = f"networks of {need_mib:.4g} MiB and more do not fit in its memory"
    assert message in desk.say("targets")


def test_compared_targets_are_told_over_all_and_by_kind(desk: Desk) -> None:
    ops = [{"ops": [{"type": "linear", "c_in": c, "c_out": 8}]} for c in (16, 32, 64)]
    for target, factor in (("shelf-a", 1.0), ("shelf-b", 2.0), ("shelf-c", 1.0)):
        taken = [
            Sample.model_validate({"workload": workload, "latency_ms": factor * (1 + index)})
            for index, workload in enumerate(ops[:2] if target == "shelf-c" else ops)
        ]
        desk.client.import_samples(target, taken)
    output = desk.say("compare", "shelf-a", "shelf-b")
    assert "3 workloads in common; latency over that of shelf-a:" in output
    assert "shelf-b workload workloads median p10 p90 fastest in" in output
    assert "all 3 2.00x 2.00x 2.00x 0%" in output
    assert "shelf-a: noise floor unknown" in output
    summary = json.loads(desk.say("compare", "shelf-c", "shelf-b", "--json"))
    assert (summary["workloads"], summary["all"]["targets"][1]["median_ratio"]) == (2, 2.0)
    assert "no undisturbed workload in common" in desk.say("compare", "shelf-a", TARGET)
    assert "target: List should have at least 2" in desk.lpnet("compare", "shelf-a").stderr
    assert "shelf-d" in desk.lpnet("compare", "shelf-a", "shelf-d").stderr


def test_what_was_imported_by_mistake_is_deleted(desk: Desk) -> None:
    workload = {"ops": [{"type": "linear", "c_in": 8, "c_out": 8}]}
    samples = [
        Sample.model_validate({"workload": workload, "latency_ms": 1.0, "id": f"sample-{n}"})
        for n in range(3)
    ]
    desk.client.import_samples("mistyped", samples)
    refused = desk.lpnet("delete", "mistyped")
    assert refused.returncode == 1
    assert "target 'mistyped' is not empty: it has 3 samples" in refused.stderr
    one = desk.say("delete", "mistyped", "--sample", "sample-1")
    assert one == "deleted 1 sample of mistyped"
    others = desk.say("delete", "mistyped", "--stored-from", "2020-01-01")
    assert others == "deleted 2 samples of mistyped"
    assert desk.say("delete", "mistyped") == "deleted target mistyped"
    desk.client.delete_device("mistyped")
    assert "mistyped" not in {device.name for device in desk.client.devices()}
