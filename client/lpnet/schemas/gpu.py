"""Facts about a GPU, and its conditions while a sample was measured."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from lpnet.schemas.base import Count, Reading, Wire

Text = Annotated[str, Field(max_length=500)]
# Reasons of the driver for a clock that is lower than the settings allow.
SlowedBy = Literal[
    "power_cap", "hardware", "heat_driver", "heat_hardware", "power_brake", "sync_boost"
]


class GpuFacts(Wire):
    """Facts about a GPU. Null means unknown; nothing is guessed."""

    name: Text | None = Field(default=None, description="model")
    memory_mib: Count | None = Field(default=None, description="its memory, MiB")
    compute_capability: Text | None = Field(default=None, description="9.0, for example")
    driver: Text | None = Field(default=None, description="version of its driver")
    cuda: Text | None = Field(
        default=None, description="newest CUDA version that the driver supports"
    )
    mig: bool | None = Field(default=None, description="partitioned into instances (MIG)")
    ecc: bool | None = Field(default=None, description="whether its memory corrects errors")


class GpuConditions(Wire):
    """Conditions of a GPU around the timed runs. Null means that it does not report the value."""

    sm_before_mhz: Reading | None = Field(
        default=None, description="clock of its cores before the runs, MHz"
    )
    sm_mhz: Reading | None = Field(
        default=None, description="clock of its cores after the runs, MHz"
    )
    memory_before_mhz: Reading | None = Field(
        default=None, description="clock of its memory before the runs, MHz"
    )
    memory_mhz: Reading | None = Field(
        default=None, description="clock of its memory after the runs, MHz"
    )
    temperature_c: Reading | None = Field(default=None, description="maximum temperature, deg C")
    power_w: Reading | None = Field(default=None, description="maximum power, W")
    slowed_by: tuple[SlowedBy, ...] | None = Field(
        default=None, description="reasons for a clock below its settings; empty: it was not lower"
    )
    heat_s: Reading | None = Field(
        default=None, description="time with a clock lowered by heat, s"
    )
    power_s: Reading | None = Field(
        default=None, description="time with a clock lowered by the power limit, s"
    )
    persistence: bool | None = Field(
        default=None, description="whether the driver stays loaded while it is unused"
    )
    others: Count | None = Field(
        default=None, description="maximum number of other processes that computed on it"
    )
