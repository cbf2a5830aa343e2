"""Settings of the agent, from the environment."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AliasChoices, Field, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from lpnet.errors import LpnetError
from lpnet.logs.setup import Form, Level
from lpnet.schemas.condition import DRIFT_LIMIT_PCT
from lpnet.tokens import read_secret
from lpnet_agent.owner.hours import parse


def _default_state_dir() -> Path:
    home = os.environ.get("XDG_STATE_HOME")
    return (Path(home) if home else Path.home() / ".local" / "state") / "lpnet-agent"


def pairs(text: str) -> dict[str, str]:
    """`a=1,b=2` as a dictionary. Raises ValueError naming what is no pair, or stands twice."""
    found: dict[str, str] = {}
    for word in filter(None, (part.strip() for part in text.split(","))):
        name, equals, value = (part.strip() for part in word.partition("="))
        if not (name and equals and value):
            raise ValueError(f"{word!r} is not name=value")
        if name in found:
            raise ValueError(f"{name!r} stands twice")
        found[name] = value
    return found


class Settings(BaseSettings):
    """Each is read from LPNET_AGENT_<NAME>; server and token from LPNET_URL, LPNET_TOKEN and
    LPNET_TOKEN_FILE too.

    A command's options win over the environment.
    """

    model_config = SettingsConfigDict(env_prefix="LPNET_AGENT_", populate_by_name=True)

    url: str = Field(
        default="http://127.0.0.1:8000",
        validation_alias=AliasChoices("LPNET_AGENT_URL", "LPNET_URL"),
        description="the lpnet server",
    )
    token: str | None = Field(
        default=None,
        validation_alias=AliasChoices("LPNET_AGENT_TOKEN", "LPNET_TOKEN"),
        description="token that the server asks for, if it does",
    )
    token_file: Path | None = Field(
        default=None,
        validation_alias=AliasChoices("LPNET_AGENT_TOKEN_FILE", "LPNET_TOKEN_FILE"),
        description="file with the token in it, where `token` is not set",
    )
    log_format: Form = Field(default="console", description="console, or json for programs")
    log_level: Level = Field(default="info", description="the least that is logged")
    device: str | None = Field(default=None, description="name of the device; None: its CPU's")
    adb: str | None = Field(
        default=None,
        description="serial of a phone that is measured over adb, as `adb devices` lists it; "
        "auto: the only one there is; None: this machine is measured",
    )
    cluster: str | None = Field(
        default=None,
        description="cores of the phone: little, big, prime, or a list as 0-3; None: the fastest "
        "cluster of more than one core",
    )
    benchmark_model: Path | None = Field(
        default=None, description="LiteRT's benchmark_model that is to run on the phone"
    )
    benchmark_model_sha256: str | None = Field(
        default=None, description="hash that it has to have: any other file is refused"
    )
    runtime: str = Field(default="onnxruntime", description="what executes the networks")
    provider: str = Field(default="cpu", description="what the runtime runs them on")
    precision: str = Field(default="fp32", description="of weights and activations")
    runtime_options: str = Field(
        default="", description="the runtime's own options: name=value, separated by commas"
    )
    threads: Annotated[int, Field(ge=1)] = Field(default=1, description="threads of the target")
    state_dir: Path = Field(
        default_factory=_default_state_dir, description="what must survive the agent"
    )
    block_s: Annotated[float, Field(gt=0, le=60)] = Field(
        default=0.15, description="time for the repeats of one block, s"
    )
    network_s: Annotated[float, Field(gt=0, le=60)] = Field(
        default=0.5, description="time for the repeats of one network, s"
    )
    fps: Annotated[float, Field(ge=1, le=1000)] | None = Field(
        default=None,
        description="inferences a second, asleep in between: a target of its own; None: back to "
        "back",
    )
    visits: Annotated[int, Field(ge=2, le=100)] = Field(
        default=4, description="most visits to a workload until it counts as disturbed"
    )
    gap_s: Annotated[float, Field(ge=0, le=600)] = Field(
        default=0.25,
        description="least time between the first two visits to a workload, s; then doubling",
    )
    crowded: Annotated[float, Field(ge=0, le=1)] = Field(
        default=0.3,
        description="busy share of the other cores above which visits need one without such "
        "company to be believed; 1: company is part of this device",
    )
    workload_timeout_s: Annotated[float, Field(gt=0)] = Field(
        default=60.0, description="a workload that takes longer counts as hung, s"
    )
    poll_s: Annotated[float, Field(ge=0, le=60)] = Field(
        default=4.0,
        description="how long the server may hold a request for work, s; the agent notices "
        "SIGTERM only after it",
    )
    request_s: Annotated[float, Field(gt=0)] = Field(
        default=5.0, description="how long the server may take for any other answer, s"
    )
    takeover_s: Annotated[float, Field(ge=0)] = Field(
        default=150.0,
        description="how long to wait for another agent of this device to be gone, s; longer than "
        "the server takes to call an agent offline",
    )
    sentinel_s: Annotated[float, Field(gt=0)] = Field(
        default=60.0, description="seconds of measuring between two checks of the device"
    )
    drift_pct: Annotated[float, Field(gt=0)] = Field(
        default=DRIFT_LIMIT_PCT,
        description="drift of a sentinel past which the target is paused, percent",
    )
    broken_pct: Annotated[float, Field(gt=0)] = Field(
        default=25.0, description="drift past which it is broken at once, percent"
    )
    broken_after: Annotated[int, Field(ge=1)] = Field(
        default=6, description="re-checks that find the drift still there until it is broken"
    )
    cool_s: Annotated[float, Field(gt=0)] = Field(
        default=20.0, description="time to cool down before the first re-check, s; then doubling"
    )
    cool_most_s: Annotated[float, Field(gt=0)] = Field(
        default=300.0, description="the longest time between two re-checks, s"
    )
    condition_s: Annotated[float, Field(gt=0)] = Field(
        default=30.0, description="how often the condition of the target is reported, s"
    )
    quiet_hours: str = Field(
        default="",
        description="local times at which nothing is measured: 22:00-07:00, sat-sun 09:00-18:00",
    )
    max_temperature_c: Annotated[float, Field(ge=20, le=150)] | None = Field(
        default=None, description="hottest that the device may be, degrees C"
    )
    min_battery_pct: Annotated[float, Field(ge=1, le=100)] | None = Field(
        default=None, description="least charge of its battery, percent"
    )
    on_battery: bool = Field(
        default=True, description="false: nothing is measured while the battery feeds the device"
    )
    max_share: Annotated[float, Field(gt=0, le=1)] | None = Field(
        default=None, description="share of any ten minutes that may be spent measuring"
    )
    max_load: Annotated[float, Field(ge=0)] | None = Field(
        default=None, description="processes of others that may want the CPU at a time"
    )
    governor: Annotated[str, Field(pattern=r"^[a-z_]{1,32}$")] | None = Field(
        default=None,
        description="cpufreq governor of the measured cores while the agent measures, put back "
        "afterwards; None: left as it is",
    )
    turbo: Literal["off"] | None = Field(
        default=None,
        description="off: no turbo while the agent measures, put back afterwards; None: left as "
        "it is",
    )
    alive_file: Path | None = Field(
        default=None,
        description="file that the agent touches while it works, for `lpnet-agent healthy`",
    )
    root: Path = Field(
        default=Path("/"), description="where /proc and /sys are: for tests on a copy of them"
    )

    @model_validator(mode="after")
    def _token_of_file(self) -> Self:
        if self.token is None and self.token_file is not None:
            try:
                self.token = read_secret(self.token_file)
            except LpnetError as error:
                raise ValueError(f"token_file (LPNET_TOKEN_FILE): {error}") from error
        return self

    @field_validator("runtime_options")
    @classmethod
    def _pairs(cls, value: str) -> str:
        pairs(value)
        return value

    @field_validator("quiet_hours")
    @classmethod
    def _hours(cls, value: str) -> str:
        parse(value)
        return value
