"""Settings of the service, read from the environment (`LPNET_...`)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from lpnet_service.db.password import with_password
from lpnet_service.errors import SetupError

_DATABASE_URL = "sqlite:///lpnet.db"


class Settings(BaseSettings):
    """One value per environment variable: `database_url` is LPNET_DATABASE_URL, and so on."""

    model_config = SettingsConfigDict(env_prefix="LPNET_", frozen=True, extra="ignore")

    database_url: str = Field(
        default=_DATABASE_URL, repr=False, description="sqlite:///PATH or postgresql://..."
    )
    database_password_file: Path | None = Field(
        default=None, description="file that holds the password of database_url"
    )
    api_processes: int = Field(default=1, ge=1, description="API processes of `run`, on one port")
    workers: int = Field(default=1, ge=0, description="training workers of `run`")
    worker_alive_file: Path | None = Field(
        default=None,
        description="file that a worker touches while it works: `lpnet-service healthy worker`",
    )
    artifacts: str = Field(
        default="database",
        description="where LPNets are kept: database, or a URL: file:///dir, s3://, gs://, az://",
    )
    lease_s: float = Field(default=120.0, gt=0, description="an agent's lease on a job, s")
    run_lease_s: float = Field(default=30.0, gt=0, description="a worker's lease on a run, s")
    retry_s: float = Field(
        default=2.0, ge=0, description="pause before a job that failed is offered again, s"
    )
    max_attempts: int = Field(default=3, ge=1, description="times a job or run is tried")
    disturbed_retries: int = Field(
        default=1, ge=0, description="times that disturbed items of a job are offered again"
    )
    disturbed_retry_s: float = Field(
        default=60.0, ge=0, description="pause before disturbed items are offered again, s"
    )
    offline_s: float = Field(
        default=90.0, gt=0, description="silence after which an agent counts as offline, s"
    )
    poll_s: float = Field(default=0.25, gt=0, description="how often a held poll looks again, s")
    tokens: Literal["auto", "required"] = Field(
        default="auto",
        description="auto: asked for on any address that is not loopback; required: everywhere, "
        "for a service behind a proxy",
    )
    requests_per_s: float = Field(
        default=100.0,
        gt=0,
        description="requests a second of a token, in each API process; bursts of two seconds",
    )
    session_h: float = Field(default=12.0, gt=0, description="how long a browser's session lasts")
    secure_cookies: bool = Field(
        default=False,
        description="cookies are for https only, also where the service cannot see that it is "
        "behind https",
    )
    max_body_mib: int = Field(default=64, ge=1, description="largest request body, MiB")
    max_space_mib: int = Field(default=2, ge=1, le=8, description="largest space file, MiB")
    cached_predictors: int = Field(default=32, ge=1, description="predictors kept in memory")
    cached_spaces: int = Field(default=64, ge=1, description="spaces kept in memory")
    metrics_names: int = Field(
        default=200, ge=1, description="devices, and targets, that /metrics names; others are one"
    )
    torch_threads: int = Field(default=1, ge=1, description="threads of torch in each process")

    @model_validator(mode="before")
    @classmethod
    def _with_password(cls, given: dict[str, Any]) -> dict[str, Any]:
        file = given.get("database_password_file")
        if not file:
            return given
        url = given.get("database_url", _DATABASE_URL)
        return given | {"database_url": with_password(url, Path(file))}

    @property
    def tokens_required(self) -> bool:
        """Whether a request has to show a token."""
        return self.tokens == "required"


def from_environment() -> Settings:
    """The settings of this process. Raises SetupError, naming the variable that is wrong."""
    try:
        return Settings()
    except ValidationError as error:
        faults = [f"LPNET_{str(f['loc'][0]).upper()}: {f['msg']}" for f in error.errors()]
        raise SetupError("; ".join(faults)) from error
