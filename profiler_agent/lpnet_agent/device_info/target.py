"""The target that an agent measures on, as it is registered."""

from __future__ import annotations

from pathlib import Path

from lpnet.schemas.device import TargetSpec
from lpnet_agent.device_info.facts import clock_policy
from lpnet_agent.device_info.names import target_name
from lpnet_agent.measure.messages import SessionInfo, Setup


def target_spec(
    device: str, setup: Setup, ready: SessionInfo, root: Path = Path("/")
) -> TargetSpec:
    """Identity of the target: what was asked for, and what the runtime turned out to be."""
    return TargetSpec(
        name=target_name(
            device,
            ready.runtime,
            ready.version,
            ready.provider,
            ready.precision,
            setup.threads,
            setup.fps,
            ready.variant,
        ),
        runtime=ready.runtime,
        runtime_version=ready.version,
        provider=ready.provider,
        precision=ready.precision,
        threads=setup.threads,
        cores=setup.cores,
        driver=ready.driver,
        power_mode=ready.power_mode,
        clock_policy=clock_policy(setup.cores[0], root) if setup.cores else None,
        duty=setup.duty,
        options=ready.options,
    )
