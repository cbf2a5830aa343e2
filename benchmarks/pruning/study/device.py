"""The device: its measurements, and what they cost."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lpnet.client import Client
from lpnet.errors import LpnetError
from lpnet.model.files import save
from lpnet.predictor.predictor import Predictor
from lpnet.schemas.workload import SpaceWorkload
from lpnet.space.space import Space
from lpnet_demo.processes import LocalLoop

_AGAIN = 5
Widths = Mapping[str, int]


class Device:
    """This machine's CPU through a real agent, with its own count of seconds and samples."""

    def __init__(self, client: Client, target: str, space: Space) -> None:
        self.client, self.target, self.space = client, target, space
        self.seconds, self.samples = 0.0, 0

    def measure(self, networks: Sequence[Widths]) -> list[float]:
        """Milliseconds of each, in order. What was disturbed is measured again, and counted."""
        latencies: list[float | None] = [None] * len(networks)
        began = time.monotonic()
        for _ in range(_AGAIN):
            missing = [index for index, ms in enumerate(latencies) if ms is None]
            if not missing:
                break
            widths = [dict(networks[index]) for index in missing]
            samples = self.client.measure(self.target, self.space, widths)
            self.samples += len(samples)
            for index, sample in zip(missing, samples, strict=True):
                if not sample.disturbed:
                    latencies[index] = sample.latency_ms
        self.seconds += time.monotonic() - began
        if None in latencies:
            raise LpnetError("the machine stays busy: a network was never measured undisturbed")
        return [ms for ms in latencies if ms is not None]

    def measure_one(self, widths: Widths) -> float:
        (ms,) = self.measure([widths])
        return ms

    def compare(self, networks: Mapping[str, Widths], rounds: int) -> dict[str, list[float]]:
        """All networks in turn, so that a slow hour is slow for all of them."""
        names = list(networks)
        latencies: dict[str, list[float]] = {name: [] for name in names}
        for number in range(rounds):
            order = names if number % 2 else names[::-1]
            for name, ms in zip(order, self.measure([networks[n] for n in order]), strict=True):
                latencies[name].append(ms)
        return latencies


@contextmanager
def opened(folder: Path, space: Space) -> Iterator[Device]:
    """A service and an agent, for as long as the context lasts."""
    with LocalLoop(folder) as loop:
        yield Device(loop.client, loop.wait_for_target(), space)


def profiled(device: Device, folder: Path, blocks: int, networks: int) -> dict[str, Any]:
    """Measure and train, once for all methods that use an LPNet; kept in `folder`.

    The paper's MLP, which learns from networks alone, gets networks for the same measuring time.
    """
    file = folder / "profile.json"
    if not file.exists():
        client, target, space = device.client, device.target, device.space
        say(f"profiling {target}: {blocks} blocks, {networks} networks")
        began = time.monotonic()
        client.campaign(target, space, blocks=blocks, networks=networks)
        seconds = time.monotonic() - began
        report = client.train(target)
        trained = time.monotonic() - began - seconds
        (folder / "lpnet.safetensors").write_bytes(save(client.predictor(target, space).lpnet))
        profile = {
            "target": target,
            "seconds": seconds,
            "training_seconds": trained,
            "samples": sum(1 for _ in client.samples(target=target)),
            "report": report.model_dump(mode="json"),
            "mlp": _for_the_mlp(device, seconds),
        }
        part = file.with_suffix(".part")
        part.write_text(json.dumps(profile, indent=1) + "\n")
        part.replace(file)
    profile = json.loads(file.read_text())
    if profile["target"] != device.target:
        raise LpnetError(f"{file} is of target {profile['target']}, this is {device.target}")
    return dict(profile)


def predictor(device: Device, folder: Path) -> Predictor:
    return Predictor.load(folder / "lpnet.safetensors", device.space)


def _for_the_mlp(device: Device, seconds: float) -> dict[str, Any]:
    """Networks drawn and measured for as long as the LPNet's profile took."""
    space, client, target = device.space, device.client, device.target
    before = {sample.id for sample in client.samples(target=target)}
    began = time.monotonic()
    seed = 1
    while time.monotonic() - began < seconds:
        client.campaign(target, space, networks=30, blocks=0, pruned=0, repeats=0, seed=seed)
        seed += 1
    spent = time.monotonic() - began
    samples = client.samples(target=target, disturbed=False)
    rows = [
        {"widths": sample.workload.widths, "ms": sample.latency_ms}
        for sample in samples
        if isinstance(sample.workload, SpaceWorkload) and sample.id not in before
    ]
    return {"seconds": spent, "samples": len(rows), "networks": rows}


def say(text: str) -> None:
    """Progress, on standard error."""
    print(time.strftime("%H:%M:%S"), text, file=sys.stderr, flush=True)
