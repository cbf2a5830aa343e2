"""What a GPU is, and how it was doing while a sample was taken."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from lpnet.schemas.base import Wire

Text = Annotated[str, Field(max_length=500)]
# The driver's reasons for a lower clock that no setting asks for.
SlowedBy = Literal[
    "power_cap", "hardware", "heat_driver", "heat_hardware", "power_brake", "sync_boost"
]


class GpuFacts(Wire):
    """What a GPU is. Null is unknown: never guessed."""

    name: Text | None = Field(default=None, description="its model")
    memory_mib: int | None = Field(default=None, description="memory of its own, MiB")
    compute_capability: Text | None = Field(default=None, description="9.0, for example")
    driver: Text | None = Field(default=None, description="version of its driver")
    cuda: Text | None = Field(default=None, description="newest CUDA that the driver knows")
    mig: bool | None = Field(default=None, description="cut into instances (MIG)")
    ecc: bool | None = Field(default=None, description="its memory corrects errors")


class GpuConditions(Wire):
    """How a GPU was doing around the timed runs. Null: it does not say. Clocks are those right
    before and right after the runs."""

    sm_before_mhz: float | None = Field(default=None, description="clock of its cores before, MHz")
    sm_mhz: float | None = Field(default=None, description="clock of its cores after, MHz")
    memory_before_mhz: float | None = Field(
        default=None, description="clock of its memory before, MHz"
    )
    memory_mhz: float | None = Field(default=None, description="clock of its memory after, MHz")
    temperature_c: float | None = Field(default=None, description="the hottest it was, deg C")
    power_w: float | None = Field(default=None, description="the most it drew, W")
    slowed_by: tuple[SlowedBy, ...] | None = Field(
        default=None, description="why it was clocked lower than its settings allow; empty: not"
    )
    heat_s: float | None = Field(
        default=None, description="time for which heat held its clock down, s"
    )
    power_s: float | None = Field(
        default=None, description="time for which its power limit held its clock down, s"
    )
    persistence: bool | None = Field(
        default=None, description="the driver stays loaded when nobody uses it"
    )
    others: int | None = Field(
        default=None, description="most processes beside the measuring one that computed on it"
    )
