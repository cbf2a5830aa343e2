"""Devices and targets."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from lpnet.schemas.base import Name, Time, Wire
from lpnet.schemas.gpu import GpuFacts
from lpnet.schemas.memory import MemoryLimits

Source = Literal["agent", "imported"]
TargetState = Literal["idle", "measuring", "paused", "offline", "broken", "imported"]
Text = Annotated[str, Field(max_length=500)]
MachineId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{8,64}$")]


class DeviceFacts(Wire):
    """What a device is. Null is unknown: never guessed."""

    cpu: Text | None = Field(default=None, description="model name of the CPU")
    architecture: Text | None = Field(default=None, description="x86_64, aarch64, ...")
    cores: int | None = Field(default=None, description="CPU cores the operating system shows")
    memory_mib: int | None = Field(default=None, description="main memory, MiB")
    os: Text | None = Field(default=None, description="operating system and kernel")
    flags: tuple[str, ...] = Field(default=(), description="vector instruction sets of the CPU")
    virtual: bool | None = Field(default=None, description="runs under a hypervisor")
    gpu: GpuFacts | None = Field(
        default=None, description="the GPU that is measured; null: none is"
    )


class TargetSpec(Wire):
    """Identity of a target: a change of any field is another target. Null is unknown."""

    name: Name = Field(description="unique; made by the agent from the other fields")
    runtime: Text | None = Field(
        default=None, description="what executes the network: onnxruntime, torch, ..."
    )
    runtime_version: Text | None = Field(default=None, description="version of the runtime")
    provider: Text | None = Field(default=None, description="what it runs on: cpu, cuda, ...")
    precision: Text | None = Field(default=None, description="fp32, fp16, bf16 or int8")
    threads: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="intra-op threads"
    )
    cores: tuple[int, ...] | None = Field(default=None, description="cores it is pinned to")
    power_mode: Text | None = Field(default=None, description="power mode of the device")
    clock_policy: Text | None = Field(default=None, description="cpufreq governor")
    driver: Text | None = Field(default=None, description="version of the driver")
    duty: Text | None = Field(default=None, description="sustained: back-to-back runs")
    options: dict[str, Any] = Field(default_factory=dict, description="options of the runtime")


class Budgets(Wire):
    """Longest that an agent spends on warm-up and timed runs of a workload, as long as a single
    run is short against it."""

    block_s: Annotated[float, Field(gt=0)] = Field(description="of a block, s")
    network_s: Annotated[float, Field(gt=0)] = Field(description="of a network, s")


class Registration(Wire):
    """An agent says what it is and what it can measure. Repeating it is harmless."""

    device: Name = Field(description="name of the device")
    facts: DeviceFacts = Field(description="what the device is")
    targets: tuple[TargetSpec, ...] = Field(
        min_length=1, max_length=100, description="what this agent can measure on"
    )
    agent_version: Text = Field(description="version of lpnet that the agent runs")
    budgets: Budgets | None = Field(
        default=None, description="time it takes for a workload; null: not said"
    )
    machine: MachineId | None = Field(
        default=None,
        description="random id that the agent keeps, which tells two machines of one name apart; "
        "null: not told apart",
    )
    seat: MachineId | None = Field(
        default=None,
        description="state folder and boot of the machine that the agent runs on: of two agents "
        "of one device only the one that came first is served; null: not told apart",
    )


class Registered(Wire):
    """The agent is known."""

    agent: str = Field(description="id of the agent, used in `agents/{id}/leases`")


class Device(Wire):
    """A physical thing that runs networks."""

    name: Name = Field(description="unique name")
    source: Source = Field(description="agent, or imported: only a table of it is known")
    facts: DeviceFacts = Field(description="what it is")
    targets: tuple[str, ...] = Field(description="names of its targets")
    last_seen_at: Time | None = Field(description="when its agent last spoke; null: never had one")
    created_at: Time = Field(description="when the service first heard of it")


class Target(Wire):
    """What an LPNet belongs to: a device with a runtime in a mode."""

    name: Name = Field(description="unique name")
    device: Name = Field(description="device it is on")
    source: Source = Field(description="agent, or imported: only a table of it is known")
    spec: TargetSpec = Field(description="its identity")
    state: TargetState = Field(description="what it is doing")
    state_reason: str | None = Field(default=None, description="why it is in that state")
    state_since: Time | None = Field(
        default=None, description="since when it is in that state; null: not known"
    )
    cleared: int = Field(
        default=0, description="times that a person has said: what it measures now is normal"
    )
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
        description="where networks stopped fitting in its memory, in this epoch; null: all fit",
    )
    lpnet: str | None = Field(default=None, description="id of the active LPNet")
    network_mape_pct: float | None = Field(
        default=None, description="held-out whole-network error of the active LPNet, percent"
    )
    last_seen_at: Time | None = Field(description="when its agent last spoke; null: never had one")
    created_at: Time = Field(description="when the service first heard of it")


class DeviceList(Wire):
    """Every device, by name."""

    items: tuple[Device, ...] = Field(description="the devices")


class TargetList(Wire):
    """Every target, by name."""

    items: tuple[Target, ...] = Field(description="the targets")
