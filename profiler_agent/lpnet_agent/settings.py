"""Settings of the agent, from the environment."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from pydantic import AliasChoices, Field
from pydantic_settings import BaseSettings, SettingsConfigDict


def _default_state_dir() -> Path:
    home = os.environ.get("XDG_STATE_HOME")
    return (Path(home) if home else Path.home() / ".local" / "state") / "lpnet-agent"


class Settings(BaseSettings):
    """Each is read from LPNET_AGENT_<NAME>; server and token from LPNET_URL and LPNET_TOKEN too.

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
    device: str | None = Field(default=None, description="name of the device; None: its CPU's")
    runtime: str = Field(default="onnxruntime", description="what executes the networks")
    threads: Annotated[int, Field(ge=1)] = Field(default=1, description="threads of the target")
    state_dir: Path = Field(
        default_factory=_default_state_dir, description="what must survive the agent"
    )
    block_s: Annotated[float, Field(gt=0, le=60)] = Field(
        default=0.15, description="time for the repeats of one block, s"
    )
    network_s: Annotated[float, Field(gt=0, le=60)] = Field(
        default=0.8, description="time for the repeats of one network, s"
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
