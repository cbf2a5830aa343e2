"""`lpnet-agent run`."""

from __future__ import annotations

from lpnet_agent.cli.base import (
    Adb,
    Cluster,
    Device,
    Fps,
    Precision,
    Provider,
    RuntimeName,
    RuntimeOptions,
    Server,
    StateFolder,
    Threads,
    Verbose,
    read_settings,
    reported,
)
from lpnet_agent.cli.owner import (
    Governor,
    MaxLoad,
    MaxShare,
    MaxTemperature,
    MinBattery,
    OnBattery,
    QuietHours,
    Turbo,
)


def run(
    server: Server = None,
    device: Device = None,
    adb: Adb = None,
    cluster: Cluster = None,
    threads: Threads = None,
    runtime: RuntimeName = None,
    provider: Provider = None,
    precision: Precision = None,
    option: RuntimeOptions = None,
    fps: Fps = None,
    state_dir: StateFolder = None,
    quiet_hours: QuietHours = None,
    max_temperature_c: MaxTemperature = None,
    min_battery_pct: MinBattery = None,
    on_battery: OnBattery = None,
    max_share: MaxShare = None,
    max_load: MaxLoad = None,
    governor: Governor = None,
    turbo: Turbo = None,
    verbose: Verbose = False,
) -> None:
    """Register this device with a server and measure what it asks for, until SIGTERM or Ctrl-C."""
    with reported("run"):
        from lpnet_agent import logs
        from lpnet_agent.serve.start import run_agent
        from lpnet_agent.stop import Stop

        settings = read_settings(
            url=server,
            device=device,
            adb=adb,
            cluster=cluster,
            threads=threads,
            runtime=runtime,
            provider=provider,
            precision=precision,
            runtime_options=option,
            fps=fps,
            state_dir=state_dir,
            quiet_hours=quiet_hours,
            max_temperature_c=max_temperature_c,
            min_battery_pct=min_battery_pct,
            on_battery=on_battery,
            max_share=max_share,
            max_load=max_load,
            governor=governor,
            turbo=turbo,
        )
        logs.configure(settings, verbose)
        stop = Stop()
        stop.on_signals()
        run_agent(settings, stop)
