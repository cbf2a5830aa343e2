"""The examination of a phone over adb."""

from __future__ import annotations

from lpnet.errors import LpnetError
from lpnet.stop import Stop
from lpnet_agent.device_info.sysfs import text
from lpnet_agent.devices.adb.device import PhoneDevice, open_phone
from lpnet_agent.devices.adb.file_store import free_kib
from lpnet_agent.devices.adb.user_slot import user_slot
from lpnet_agent.doctor import (
    agent_environment,
    measurement_noise,
    power_and_memory,
    server_checks,
    temperature,
)
from lpnet_agent.doctor.clock_pair import ClockPair
from lpnet_agent.doctor.examination import Examination, Theme, run_checks
from lpnet_agent.doctor.finding import CheckContext, Finding, Subject
from lpnet_agent.doctor.server_probe import probe_server
from lpnet_agent.doctor.trial_run import (
    OTHER_AGENT,
    SESSIONS,
    TrialRun,
    group_by_sentinel,
    sentinel_templates,
    time_session,
)
from lpnet_agent.errors import DeviceUnavailable, SetupError
from lpnet_agent.settings import Settings
from lpnet_agent.state import is_agent_running

_LOW_MIB, _TOO_LOW_MIB = 512, 64


def examine_phone(settings: Settings, server_required: bool) -> Examination:
    """Examine the phone of the settings; takes about half a minute, mostly to time sentinels."""
    stop = Stop()
    host = CheckContext(
        settings=settings,
        cores=None,
        cpu_usage=None,
        server=probe_server(settings),
        trial=None,
        started=ClockPair.now(),
        server_required=server_required,
    )
    host_themes = (
        run_checks(
            "This computer",
            (agent_environment.folder, agent_environment.disk, agent_environment.other_agent),
            host,
        ),
        run_checks("Server", (server_checks.reachable, server_checks.admitted), host),
    )
    try:
        with (
            user_slot("doctor", settings.state_dir) as user,
            open_phone(settings, stop, user) as phone,
        ):
            themes = (*_examine(phone, host, stop), *host_themes)
            cores = phone.cluster.cores
    except LpnetError as error:
        finding = Subject("phone", "adb devices").bad(str(error), "adb devices -l")
        themes, cores = (("Phone", (finding,)), *host_themes), None
    finally:
        stop.close()
    return Examination(cores=cores, threads=settings.threads, themes=themes, signals=())


def _examine(phone: PhoneDevice, host: CheckContext, stop: Stop) -> tuple[Theme, ...]:
    context = CheckContext(
        settings=host.settings.model_copy(update={"root": phone.root}),
        cores=phone.cluster.cores,
        cpu_usage=None,
        server=host.server,
        trial=_run_trial(phone, host.settings, stop),
        started=host.started,
        server_required=host.server_required,
    )
    limits = agent_environment.check_owner(phone.owner)
    return (
        ("Phone", (_check_phone(phone), _check_cluster(phone), limits, _check_disk(phone))),
        run_checks("Heat", (temperature.temperature, temperature.cooling), context),
        run_checks("Memory and power", (power_and_memory.memory, power_and_memory.power), context),
        run_checks(
            "A real measurement", (measurement_noise.within, measurement_noise.between), context
        ),
    )


def _check_phone(phone: PhoneDevice) -> Finding:
    facts = ", ".join(filter(None, (phone.facts.cpu, phone.facts.os))) or "no facts exposed"
    return Subject("phone", "adb, getprop").ok(f"{phone.phone.serial}: {phone.name}, {facts}")


def _check_cluster(phone: PhoneDevice) -> Finding:
    subject = Subject("cluster", "cpu_capacity, cpuinfo_max_freq, scaling_governor; taskset")
    folder = phone.root / f"sys/devices/system/cpu/cpu{phone.cluster.cores[0]}/cpufreq"
    governor = text(folder / "scaling_governor") or "unknown"
    return subject.ok(f"{phone.cluster.description}, governor {governor}")


def _check_disk(phone: PhoneDevice) -> Finding:
    subject = Subject("free space on the phone", "df /data/local/tmp")
    free = free_kib(phone.phone)
    if free is None:
        return subject.unknown()
    free_mib = free >> 10
    if free_mib >= _LOW_MIB:
        return subject.ok(f"{free_mib} MiB free")
    report = subject.bad if free_mib < _TOO_LOW_MIB else subject.caution
    return report(
        f"{free_mib} MiB free: a network takes up to a few hundred MiB",
        "adb shell df -h /data    # then free some space",
    )


def _run_trial(phone: PhoneDevice, settings: Settings, stop: Stop) -> TrialRun:
    try:
        if is_agent_running(settings.state_dir):
            return TrialRun(skipped=OTHER_AGENT)
        templates = sentinel_templates()
        sessions = [time_session(phone.measurer(stop), templates) for _ in range(SESSIONS)]
    except (SetupError, DeviceUnavailable):
        raise
    except LpnetError as error:
        return TrialRun(failure=str(error))
    return TrialRun(group_by_sentinel(sessions))
