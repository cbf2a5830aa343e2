"""The target that an agent measures, as it is registered."""

from __future__ import annotations

from pathlib import Path

from lpnet.schemas.device import TargetSpec
from lpnet_agent.device_info.facts import clock_policy
from lpnet_agent.device_info.names import target_name
from lpnet_agent.measure.messages import SessionInfo, Setup


def target_spec(
    device: str,
    setup: Setup,
    info: SessionInfo,
    root: Path = Path("/"),
    variant: str | None = None,
) -> TargetSpec:
    """Identity of a target from the requested setup and the loaded runtime. `variant` replaces the
    runtime's variant in the name."""
    return TargetSpec(
        name=target_name(
            device,
            info.runtime,
            info.version,
            info.provider,
            info.precision,
            setup.threads,
            setup.fps,
            info.variant if variant is None else variant,
        ),
        runtime=info.runtime,
        runtime_version=info.version or None,
        provider=info.provider,
        precision=info.precision,
        threads=setup.threads,
        cores=setup.cores,
        driver=info.driver,
        power_mode=info.power_mode,
        clock_policy=clock_policy(setup.cores[0], root) if setup.cores else None,
        duty=setup.duty,
        options=info.options,
    )
