"""Devices and targets."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from lpnet.schemas.base import Count, Name, Time, Wire
from lpnet.schemas.gpu import GpuFacts
from lpnet.schemas.memory import MemoryLimits

Source = Literal["agent", "imported"]
TargetState = Literal["idle", "measuring", "paused", "offline", "broken", "imported"]
Text = Annotated[str, Field(max_length=500)]
# 1 ms to a day.
Seconds = Annotated[float, Field(ge=1e-3, le=86_400)]
MachineId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{8,64}$")]


class DeviceFacts(Wire):
    """Facts about a device. Null means unknown; nothing is guessed."""

    cpu: Text | None = Field(default=None, description="model name of the CPU")
    architecture: Text | None = Field(default=None, description="x86_64, aarch64, ...")
    cores: Count | None = Field(
        default=None, description="CPU cores visible to the operating system"
    )
    memory_mib: Count | None = Field(default=None, description="main memory, MiB")
    os: Text | None = Field(default=None, description="operating system and kernel")
    flags: tuple[str, ...] = Field(default=(), description="vector instruction sets of the CPU")
    virtual: bool | None = Field(default=None, description="runs under a hypervisor")
    gpu: GpuFacts | None = Field(
        default=None, description="the GPU that is measured; null: no GPU is measured"
    )


class TargetSpec(Wire):
    """Identity of a target: with any other field it is another target. Null means unknown."""

    name: Name = Field(description="unique name, which the agent derives from the other fields")
    runtime: Text | None = Field(
        default=None, description="runtime that executes networks: onnxruntime, torch, ..."
    )
    runtime_version: Text | None = Field(default=None, description="version of the runtime")
    provider: Text | None = Field(default=None, description="execution provider: cpu, cuda, ...")
    precision: Text | None = Field(default=None, description="fp32, fp16, bf16 or int8")
    threads: Annotated[int, Field(ge=1, le=10**6)] | None = Field(
        default=None, description="intra-op threads"
    )
    cores: tuple[Count, ...] | None = Field(default=None, description="cores that it is pinned to")
    power_mode: Text | None = Field(default=None, description="power mode of the device")
    clock_policy: Text | None = Field(default=None, description="cpufreq governor")
    driver: Text | None = Field(default=None, description="version of the driver")
    duty: Text | None = Field(default=None, description="sustained: back-to-back runs")
    options: dict[str, Any] = Field(default_factory=dict, description="options of the runtime")


class Budgets(Wire):
    """Maximum time that an agent spends on warm-up and timed runs of a workload.

    A workload whose single run is long may exceed it.
    """

    block_s: Seconds = Field(description="budget of a block, s")
    network_s: Seconds = Field(description="budget of a network, s")


class Registration(Wire):
    """The device and the targets of an agent. Registering again is harmless."""

    device: Name = Field(description="name of the device")
    facts: DeviceFacts = Field(description="facts about the device")
    targets: tuple[TargetSpec, ...] = Field(
        min_length=1, max_length=100, description="targets that this agent measures on"
    )
    agent_version: Text = Field(description="version of lpnet that the agent runs")
    budgets: Budgets | None = Field(
        default=None, description="time budgets per workload; null: unknown"
    )
    machine: MachineId | None = Field(
        default=None,
        description="random id that the agent keeps, which distinguishes machines of the same "
        "name; null: none",
    )
    seat: MachineId | None = Field(
        default=None,
        description="identifies the state folder and the boot of the machine: if a device has two "
        "agents, only the first is served; null: none",
    )


class RegistrationResponse(Wire):
    """The agent is registered."""

    agent: str = Field(description="id of the agent, for `agents/{id}/leases`")


class Device(Wire):
    """A machine that runs networks."""

    name: Name = Field(description="unique name")
    source: Source = Field(description="agent, or imported: only a table of its samples exists")
    facts: DeviceFacts = Field(description="facts about it")
    targets: tuple[str, ...] = Field(description="names of its targets")
    last_seen_at: Time | None = Field(
        description="last contact with its agent; null: it never had one"
    )
    created_at: Time = Field(description="when the service stored it first")


class Target(Wire):
    """A device with a runtime in a mode; LPNets belong to targets."""

    name: Name = Field(description="unique name")
    device: Name = Field(description="device it is on")
    source: Source = Field(description="agent, or imported: only a table of its samples exists")
    spec: TargetSpec = Field(description="its identity")
    state: TargetState = Field(description="state")
    state_reason: str | None = Field(default=None, description="reason for the state")
    state_since: Time | None = Field(
        default=None, description="when the state began; null: unknown"
    )
    cleared: int = Field(default=0, description="number of times that people have cleared it")
    epoch: int = Field(description="current epoch, counted from 1")
    samples: int = Field(description="samples of the current epoch")
    noise_floor_pct: float | None = Field(
        default=None,
        description="median spread between sessions of repeated workloads, percent; null: too few "
        "repeats yet",
    )
    noise_floor_reason: str | None = Field(
        default=None, description="why the noise floor is unknown; null: it is known"
    )
    memory: MemoryLimits | None = Field(
        default=None,
        description="sizes of networks that did not fit in its memory; null: all fitted",
    )
    drift: str | None = Field(
        default=None,
        description="how newer samples disagree with the active LPNet; null: it has not drifted",
    )
    lpnet: str | None = Field(default=None, description="id of the active LPNet")
    network_mape_pct: float | None = Field(
        default=None, description="held-out whole-network error of the active LPNet, percent"
    )
    last_seen_at: Time | None = Field(
        description="last contact with its agent; null: it never had one"
    )
    created_at: Time = Field(description="when the service stored it first")


class DeviceList(Wire):
    """All devices, by name."""

    items: tuple[Device, ...] = Field(description="the devices")


class TargetList(Wire):
    """All targets, by name."""

    items: tuple[Target, ...] = Field(description="the targets")
