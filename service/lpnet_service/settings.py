"""Settings of the service, read from the environment (`LPNET_...`)."""

from __future__ import annotations

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from lpnet_service.errors import SetupError


class Settings(BaseSettings):
    """One value per environment variable: `database_url` is LPNET_DATABASE_URL, and so on."""

    model_config = SettingsConfigDict(env_prefix="LPNET_", frozen=True, extra="ignore")

    database_url: str = Field(
        default="sqlite:///lpnet.db", description="sqlite:///PATH or postgresql://..."
    )
    api_processes: int = Field(default=1, ge=1, description="API processes of `run`, on one port")
    workers: int = Field(default=1, ge=0, description="training workers of `run`")
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
    max_body_mib: int = Field(default=64, ge=1, description="largest request body, MiB")
    max_space_mib: int = Field(default=16, ge=1, description="largest space file, MiB")
    cached_predictors: int = Field(default=32, ge=1, description="predictors kept in memory")
    cached_spaces: int = Field(default=64, ge=1, description="spaces kept in memory")
    torch_threads: int = Field(default=1, ge=1, description="threads of torch in each process")


def from_environment() -> Settings:
    """The settings of this process. Raises SetupError, naming the variable that is wrong."""
    try:
        return Settings()
    except ValidationError as error:
        faults = [f"LPNET_{str(f['loc'][0]).upper()}: {f['msg']}" for f in error.errors()]
        raise SetupError("; ".join(faults)) from error
