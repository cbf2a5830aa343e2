"""Every setting of the agent, described once: environment variables and options follow from it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Self

from pydantic import AliasChoices, BaseModel, Field, field_validator, model_validator

from lpnet.errors import LpnetError
from lpnet.logs.setup import Format, Level
from lpnet.noise import MIN_APART_S
from lpnet.schemas.condition import DRIFT_LIMIT_PCT
from lpnet.tokens import read_secret
from lpnet_agent.owner.quiet_hours import parse_quiet_hours


@dataclass(frozen=True)
class CliOption:
    """How a setting is written as an option, where that does not follow from its name and type.

    A `repeatable` option may be given several times; its values are joined by commas.
    """

    names: tuple[str, ...] = ()
    metavar: str | None = None
    repeatable: bool = False
    hidden: bool = False
    existing_folder: bool = False


def parse_pairs(text: str) -> dict[str, str]:
    """Read `a=1,b=2` as a dictionary. Raises ValueError for an invalid or repeated pair."""
    pairs: dict[str, str] = {}
    for pair in filter(None, (part.strip() for part in text.split(","))):
        name, equals, value = (part.strip() for part in pair.partition("="))
        if not (name and equals and value):
            raise ValueError(f"{pair!r} must have the form name=value")
        if name in pairs:
            raise ValueError(f"{name!r} is set twice")
        pairs[name] = value
    return pairs


def _default_state_dir() -> Path:
    home = os.environ.get("XDG_STATE_HOME")
    return (Path(home) if home else Path.home() / ".local" / "state") / "lpnet-agent"


class SettingFields(BaseModel):
    """The settings. A field's description is also the help text of its option."""

    url: Annotated[str, CliOption(("--server",))] = Field(
        default="http://127.0.0.1:8000",
        validation_alias=AliasChoices("LPNET_AGENT_URL", "LPNET_URL"),
        description="URL of the server; LPNET_URL sets it too.",
    )
    token: str | None = Field(
        default=None,
        validation_alias=AliasChoices("LPNET_AGENT_TOKEN", "LPNET_TOKEN"),
        description="Token for the server, if it requires one.",
    )
    token_file: Path | None = Field(
        default=None,
        validation_alias=AliasChoices("LPNET_AGENT_TOKEN_FILE", "LPNET_TOKEN_FILE"),
        description="File that contains the token; read if `token` is not set.",
    )
    log_format: Format = Field(
        default="console", description="Log format: console for people, json for programs."
    )
    log_level: Level = Field(default="info", description="Minimum level of log messages.")
    device: Annotated[str | None, CliOption(("--device", "--name"))] = Field(
        default=None, description="Name of this device (default: the name of its CPU)."
    )
    adb: Annotated[str | None, CliOption(metavar="SERIAL")] = Field(
        default=None,
        description="Measure on a phone over adb: its serial number, or auto if only one is "
        "connected.",
    )
    cluster: str | None = Field(
        default=None,
        description="Cores of the phone: little, big, prime, or a list such as 0-3 (default: the "
        "fastest cluster of at least two cores).",
    )
    benchmark_model: Path | None = Field(
        default=None, description="LiteRT's benchmark_model program, to run on the phone."
    )
    benchmark_model_sha256: str | None = Field(
        default=None, description="SHA-256 that the benchmark_model file must have."
    )
    runtime: str = Field(
        default="onnxruntime", description="Runtime that executes the networks; see list-runtimes."
    )
    provider: str = Field(
        default="cpu", description="What the runtime runs networks on, such as cpu or cuda."
    )
    precision: str = Field(
        default="fp32", description="Precision of weights and activations: fp32, fp16, int8."
    )
    runtime_options: Annotated[str, CliOption(("--option",), repeatable=True)] = Field(
        default="", description="An option of the runtime, as name=value. Repeatable."
    )
    threads: int = Field(
        default=1, ge=1, description="Number of threads, and of cores, to measure with."
    )
    state_dir: Path = Field(
        default_factory=_default_state_dir,
        description="Folder for results and other state that outlives the agent (default: "
        "~/.local/state/lpnet-agent).",
    )
    block_s: float = Field(
        default=0.15, gt=0, le=60, description="Time for the repeats of one block, in seconds."
    )
    network_s: float = Field(
        default=0.5, gt=0, le=60, description="Time for the repeats of one network, in seconds."
    )
    fps: float | None = Field(
        default=None,
        ge=1,
        le=1000,
        description="Inferences per second, sleeping in between (default: back to back). Each "
        "rate is a target of its own.",
    )
    visits: int = Field(
        default=4,
        ge=2,
        le=100,
        description="Maximum number of visits to a workload before it is stored as disturbed.",
    )
    gap_s: float = Field(
        default=0.25,
        ge=0,
        le=600,
        description="Minimum time between the first two visits to a workload, in seconds. It "
        "doubles with every visit.",
    )
    crowded: float = Field(
        default=0.3,
        ge=0,
        le=1,
        description="Busy share of the other cores above which visits cannot confirm each other. "
        "1: other load is a normal part of this device.",
    )
    repeat_pause_s: float = Field(
        default=MIN_APART_S,
        ge=0,
        description="Pause before `lpnet-agent measure` repeats workloads, in seconds. Sessions "
        "less than a minute apart do not count for the noise floor.",
    )
    workload_timeout_s: float = Field(
        default=60.0, gt=0, description="Time after which a workload counts as hung, in seconds."
    )
    poll_s: float = Field(
        default=4.0,
        ge=0,
        le=60,
        description="How long the server may hold a request for work, in seconds. The agent "
        "reacts to SIGTERM only after that.",
    )
    request_s: float = Field(
        default=5.0, gt=0, description="Timeout of all other requests, in seconds."
    )
    takeover_s: float = Field(
        default=150.0,
        ge=0,
        description="How long to wait for another agent of this device to end, in seconds. Must "
        "exceed the time after which the server considers an agent offline.",
    )
    sentinel_s: float = Field(
        default=60.0,
        gt=0,
        description="Time spent measuring between two sentinel checks, in seconds.",
    )
    drift_pct: float = Field(
        default=DRIFT_LIMIT_PCT,
        gt=0,
        description="Drift of a sentinel above which the target is paused, in percent.",
    )
    broken_pct: float = Field(
        default=25.0,
        gt=0,
        description="Drift of a sentinel above which the target is broken at once, in percent.",
    )
    broken_after: int = Field(
        default=6,
        ge=1,
        description="Number of drifted checks after which a paused target is broken.",
    )
    cool_s: float = Field(
        default=20.0,
        gt=0,
        description="Time before the first check of a paused target, in seconds. It doubles with "
        "every check.",
    )
    cool_most_s: float = Field(
        default=300.0, gt=0, description="Maximum time between two checks, in seconds."
    )
    condition_s: float = Field(
        default=30.0,
        gt=0,
        description="How often the condition of the target is reported, in seconds.",
    )
    quiet_hours: Annotated[str, CliOption(repeatable=True)] = Field(
        default="",
        description="Measure nothing at these local times: 22:00-07:00, or mon-fri 09:00-18:00. "
        "Repeatable.",
    )
    max_temperature_c: float | None = Field(
        default=None,
        ge=20,
        le=150,
        description="Pause above this temperature, in degrees C, until the device is 5 degrees "
        "cooler.",
    )
    min_battery_pct: float | None = Field(
        default=None,
        ge=1,
        le=100,
        description="Pause while the battery charge is lower, in percent.",
    )
    on_battery: Annotated[bool, CliOption(("--on-battery/--mains-only",))] = Field(
        default=True, description="Whether to measure while the device runs on its battery."
    )
    max_share: float | None = Field(
        default=None,
        gt=0,
        le=1,
        description="Maximum share of any ten minutes to spend measuring, between 0 and 1.",
    )
    max_load: float | None = Field(
        default=None,
        ge=0,
        description="Pause while more processes than this, other than the agent's, want a CPU.",
    )
    alive_file: Path | None = Field(
        default=None,
        description="File that the agent touches while it works, for `lpnet-agent healthy`.",
    )
    root: Annotated[Path, CliOption(hidden=True, existing_folder=True)] = Field(
        default=Path("/"),
        description="Folder that contains /proc and /sys: another one in tests, or a recorded "
        "machine to examine.",
    )

    @model_validator(mode="after")
    def _read_token_file(self) -> Self:
        if self.token is None and self.token_file is not None:
            try:
                self.token = read_secret(self.token_file)
            except LpnetError as error:
                raise ValueError(f"token_file (LPNET_TOKEN_FILE): {error}") from error
        return self

    @field_validator("runtime_options")
    @classmethod
    def _check_pairs(cls, value: str) -> str:
        parse_pairs(value)
        return value

    @field_validator("quiet_hours")
    @classmethod
    def _check_hours(cls, value: str) -> str:
        parse_quiet_hours(value)
        return value
