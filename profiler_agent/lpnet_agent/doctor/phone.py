"""The examination of a phone over adb."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import get_args

from lpnet.errors import LpnetError
from lpnet.schemas.sample import Sentinel
from lpnet_agent.device_info.sysfs import text
from lpnet_agent.devices.adb.device import PhoneDevice, open_phone
from lpnet_agent.devices.adb.file_store import free_kib
from lpnet_agent.devices.adb.user_slot import user_slot
from lpnet_agent.doctor import environment, heat, noise, server, supply
from lpnet_agent.doctor.examine import Examination
from lpnet_agent.doctor.finding import Finding, Scope, unknown
from lpnet_agent.doctor.greeting import greet
from lpnet_agent.doctor.moment import Moment
from lpnet_agent.doctor.trial import SESSIONS, Trial, timed_session
from lpnet_agent.errors import SetupError, DeviceUnavailable
from lpnet_agent.sentinels.templates import template
from lpnet_agent.settings import Settings
from lpnet_agent.state import is_agent_running
from lpnet_agent.stop import Stop

_LOW_MIB, _TOO_LOW_MIB = 512, 64


def examine_phone(settings: Settings, server_asked: bool) -> Examination:
    """Examine the phone that the settings name, which takes about half a minute: the sentinels
    are really timed there."""
    began, stop = Moment.now(), Stop()
    here = Scope(settings, None, None, greet(settings), None, began, server_asked)
    host = (
        (
            "This computer",
            tuple(
                check(here) for check in (environment.folder, environment.disk, environment.alone)
            ),
        ),
        ("Server", tuple(check(here) for check in (server.reachable, server.admitted))),
    )
    try:
        with (
            user_slot("doctor", settings.state_dir) as user,
            open_phone(settings, stop, user) as found,
        ):
            themes = (*_of_phone(found, here, stop), *host)
            cores = found.cluster.cores
    except LpnetError as error:
        finding = Finding("phone", "bad", "adb devices", str(error), "adb devices -l")
        themes, cores = (("Phone", (finding,)), *host), None
    finally:
        stop.close()
    return Examination(cores=cores, threads=settings.threads, themes=themes, signals=())


def _of_phone(
    found: PhoneDevice, here: Scope, stop: Stop
) -> tuple[tuple[str, tuple[Finding, ...]], ...]:
    there = Scope(
        settings=here.settings.model_copy(update={"root": found.root}),
        cores=found.cluster.cores,
        watched=None,
        greeting=here.greeting,
        trial=_try_out(found, here.settings, stop),
        began=here.began,
        server_asked=here.server_asked,
    )
    return (
        ("Phone", (_phone(found), _cluster(found), _permitted(found), _room(found))),
        ("Heat", tuple(check(there) for check in (heat.temperature, heat.cooling))),
        ("Memory and power", tuple(check(there) for check in (supply.memory, supply.power))),
        ("A real measurement", tuple(check(there) for check in (noise.within, noise.between))),
    )


def _phone(found: PhoneDevice) -> Finding:
    words = [found.facts.cpu, found.facts.os]
    seen = ", ".join(word for word in words if word) or "it does not say what it is"
    return Finding("phone", "ok", "adb, getprop", f"{found.phone.serial}: {found.name}, {seen}")


def _cluster(found: PhoneDevice) -> Finding:
    name, looked = "cluster", "cpu_capacity, cpuinfo_max_freq, scaling_governor; taskset"
    first = found.cluster.cores[0]
    folder = found.root / f"sys/devices/system/cpu/cpu{first}/cpufreq"
    governor = text(folder / "scaling_governor") or "unknown"
    return Finding(name, "ok", looked, f"{found.cluster.words}, governor {governor}")


def _permitted(found: PhoneDevice) -> Finding:
    """Whether the owner's limits let an agent measure now."""
    name, looked = "owner's limits", "pause, quiet hours, heat, battery, load (settings)"
    refusal = found.owner.refusal(datetime.now(UTC))
    if refusal is None:
        return Finding(name, "ok", looked, "an agent may measure now")
    words = f"an agent would wait: {refusal.reason}"
    return Finding(name, "attend", looked, words, "lpnet-agent resume    # ends a pause")


def _room(found: PhoneDevice) -> Finding:
    name, looked = "room on the phone", "df /data/local/tmp"
    free = free_kib(found.phone)
    if free is None:
        return unknown(name, looked)
    mib = free >> 10
    words = f"{mib} MiB free"
    if mib >= _LOW_MIB:
        return Finding(name, "ok", looked, words)
    return Finding(
        name,
        "bad" if mib < _TOO_LOW_MIB else "attend",
        looked,
        f"{words}: a network takes up to some hundred MiB",
        "adb shell df -h /data    # then free some",
    )


def _try_out(found: PhoneDevice, settings: Settings, stop: Stop) -> Trial:
    """Time the sentinels on the phone."""
    try:
        if is_agent_running(settings.state_dir):
            return Trial(left_out="an agent measures here, and both would disturb each other")
        templates = {sentinel: template(sentinel) for sentinel in get_args(Sentinel)}
        sessions = [timed_session(found.measurer(stop), templates) for _ in range(SESSIONS)]
    except (SetupError, DeviceUnavailable):
        raise
    except LpnetError as error:
        return Trial(failure=str(error))
    return Trial({name: tuple(session[name] for session in sessions) for name in templates})
