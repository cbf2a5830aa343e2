"""Settings of the service, read from the environment (`LPNET_...`)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from lpnet.noise import MIN_APART_S
from lpnet_service.db.password import with_password
from lpnet_service.errors import SetupError

_DATABASE_URL = "sqlite:///lpnet.db"


class Settings(BaseSettings):
    """One field per environment variable: `database_url` is LPNET_DATABASE_URL, and so on."""

    model_config = SettingsConfigDict(env_prefix="LPNET_", frozen=True, extra="ignore")

    database_url: str = Field(
        default=_DATABASE_URL, repr=False, description="sqlite:///PATH or postgresql://..."
    )
    database_password_file: Path | None = Field(
        default=None, description="file with the password of database_url"
    )
    api_processes: int = Field(default=1, ge=1, description="number of API processes of `run`")
    workers: int = Field(default=1, ge=0, description="number of training workers of `run`")
    worker_alive_file: Path | None = Field(
        default=None,
        description="file that a worker touches, for `lpnet-service healthy worker`",
    )
    artifacts: str = Field(
        default="database",
        description="where LPNets are stored: database, or a URL: file:///dir, s3://, gs://, az://",
    )
    lease_s: float = Field(
        default=120.0, gt=0, description="duration of an agent's lease on a job, s"
    )
    run_lease_s: float = Field(
        default=30.0, gt=0, description="duration of a worker's lease on a run, s"
    )
    retry_s: float = Field(
        default=2.0, ge=0, description="pause before a job that failed is offered again, s"
    )
    max_attempts: int = Field(default=3, ge=1, description="number of attempts for a job or run")
    disturbed_retries: int = Field(
        default=1, ge=0, description="how often disturbed items of a job are offered again"
    )
    disturbed_retry_s: float = Field(
        default=60.0, ge=0, description="pause before disturbed items are offered again, s"
    )
    repeat_pause_s: float = Field(
        default=MIN_APART_S,
        ge=0,
        description="pause before workloads are measured again for the noise floor, s",
    )
    offline_s: float = Field(
        default=90.0, gt=0, description="silence after which an agent counts as offline, s"
    )
    poll_s: float = Field(
        default=2.0,
        gt=0,
        description="how often an API process looks for jobs that were not announced to it, s",
    )
    tokens: Literal["auto", "required"] = Field(
        default="auto",
        description="auto: tokens are required on all addresses but loopback; required: always, "
        "for a service behind a proxy",
    )
    requests_per_s: float = Field(
        default=100.0,
        gt=0,
        description="requests per second of a token in each API process; bursts of two seconds",
    )
    session_h: float = Field(
        default=12.0, gt=0, description="duration of a browser session, hours"
    )
    secure_cookies: bool = Field(
        default=False,
        description="restrict cookies to https, even if the service does not see that it is "
        "behind https",
    )
    max_body_mib: int = Field(default=64, ge=1, description="largest request body, MiB")
    max_space_mib: int = Field(default=2, ge=1, le=8, description="largest space file, MiB")
    cached_predictors: int = Field(default=32, ge=1, description="predictors kept in memory")
    cached_spaces: int = Field(default=64, ge=1, description="spaces kept in memory")
    metrics_names: int = Field(
        default=200,
        ge=1,
        description="devices, and targets, that /metrics names; all others are summed",
    )
    torch_threads: int = Field(default=1, ge=1, description="torch threads in each process")

    @model_validator(mode="before")
    @classmethod
    def _with_password(cls, values: dict[str, Any]) -> dict[str, Any]:
        file = values.get("database_password_file")
        if not file:
            return values
        url = values.get("database_url", _DATABASE_URL)
        return values | {"database_url": with_password(url, Path(file))}

    @property
    def tokens_required(self) -> bool:
        return self.tokens == "required"


def from_environment() -> Settings:
    """The settings of this process. Raises SetupError naming the variables that are wrong."""
    try:
        return Settings()
    except ValidationError as error:
        errors = [f"LPNET_{str(e['loc'][0]).upper()}: {e['msg']}" for e in error.errors()]
        raise SetupError("; ".join(errors)) from error
