"""A phone's files, mirrored to this machine, and the facts that are read from them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.harness.adb import FILES

from lpnet_agent.device_info.readings import (
    Battery,
    battery,
    cpu_cooling,
    load,
    mains,
    temperature_c,
    thermal_zones,
)
from lpnet_agent.devices.adb.facts import parse_properties, phone_facts, phone_name
from lpnet_agent.devices.adb.mirrored_files import MirroredFiles, parse_files
from lpnet_agent.errors import SetupError

BATTERY = (FILES / "services/battery").read_text()
THERMAL = (FILES / "services/thermalservice").read_text()
ZONE = "/sys/class/thermal/thermal_zone"


@pytest.fixture
def mirror() -> Iterator[MirroredFiles]:
    with MirroredFiles() as mirrored:
        yield mirrored


def slow(sysfs: str = "", battery: str = BATTERY, thermal: str = THERMAL) -> str:
    return f"{sysfs}@battery\n{battery}@thermal\n{thermal}"


def test_lines_become_files() -> None:
    output = "/proc/a:1\n/proc/a:x: y\nwarning\n/sys/b:\r\n../../etc/passwd:x\n/../etc/x:y\n"
    assert parse_files(output) == {"/proc/a": "1\nx: y", "/sys/b": ""}


def test_what_is_gone_is_not_read_any_more(mirror: MirroredFiles) -> None:
    mirror.update(
        "live", f"{ZONE}0/type:cpu\n{ZONE}0/temp:41000\n{ZONE}1/type:gpu\n{ZONE}1/temp:51000"
    )
    assert temperature_c(mirror.root) == 51
    mirror.update("live", f"{ZONE}0/type:cpu\n{ZONE}0/temp:42000\n{ZONE}1/type:gpu")
    assert temperature_c(mirror.root) == 42
    mirror.update("live", "")
    assert temperature_c(mirror.root) is None


def test_parts_are_apart(mirror: MirroredFiles) -> None:
    mirror.update("live", f"{ZONE}0/type:cpu\n{ZONE}0/temp:41000")
    mirror.update("counters", "/proc/loadavg:1.50 1.20 1.00 3/900 4711")
    assert load(mirror.root) == (1.5, 3)
    assert temperature_c(mirror.root) == 41


def test_the_folder_goes_with_the_tree() -> None:
    with MirroredFiles() as mirror:
        mirror.update("live", "/proc/loadavg:1 1 1 1/1 1")
        root = mirror.root
    assert not root.exists()


def test_a_battery_that_only_android_tells_of(mirror: MirroredFiles) -> None:
    mirror.update("slow", slow())
    assert battery(mirror.root) == Battery(percent=84.0, discharging=False)
    assert mains(mirror.root) is True
    unplugged = BATTERY.replace("USB powered: true", "USB powered: false")
    mirror.update("slow", slow(battery=unplugged.replace("status: 2", "status: 3")))
    assert battery(mirror.root) == Battery(percent=84.0, discharging=True)
    assert mains(mirror.root) is False


def test_what_the_kernel_says_of_the_battery_wins(mirror: MirroredFiles) -> None:
    supply = "/sys/class/power_supply/bms"
    mirror.update(
        "slow", slow(f"{supply}/type:Battery\n{supply}/capacity:55\n{supply}/status:Full\n")
    )
    assert battery(mirror.root) == Battery(percent=55.0, discharging=False)


@pytest.mark.parametrize(
    "output", ["", "Can't find service: battery\n", "  level: 84\n  scale: 0\n"]
)
def test_without_a_battery_there_is_none(mirror: MirroredFiles, output: str) -> None:
    mirror.update("slow", slow(battery=output))
    assert battery(mirror.root) is None


def test_temperatures_that_only_android_tells_of(mirror: MirroredFiles) -> None:
    """Only the current ones of the CPU, not the skin's or cached ones."""
    mirror.update("slow", slow())
    assert {zone.kind: zone.temperature_c for zone in thermal_zones(mirror.root)} == {
        "LITTLE": 41.5,
        "BIG": 43.2,
    }
    assert cpu_cooling(mirror.root) == {"android-cpu-throttle (cooling_device9000)": 0}
    mirror.update("slow", slow(thermal=THERMAL.replace("Status: 0", "Status: 2", 1)))
    assert cpu_cooling(mirror.root) == {"android-cpu-throttle (cooling_device9000)": 2}


def test_the_kernels_temperatures_win(mirror: MirroredFiles) -> None:
    cooling = "/sys/class/thermal/cooling_device0"
    mirror.update(
        "live",
        f"{ZONE}0/type:cpu-0\n{ZONE}0/temp:38000\n{cooling}/type:thermal-cpufreq-0\n"
        f"{cooling}/cur_state:3",
    )
    mirror.update("slow", slow())
    assert [zone.kind for zone in thermal_zones(mirror.root)] == ["cpu-0"]
    assert cpu_cooling(mirror.root) == {"thermal-cpufreq-0 (cooling_device0)": 3}


GETPROP = """[ro.product.model]: [Pixel 7]
[ro.product.cpu.abi]: [arm64-v8a]
[ro.soc.manufacturer]: [Google]
[ro.soc.model]: [GS201]
[ro.build.version.release]: [14]
[ro.build.version.sdk]: [34]
[ro.hardware.empty]: []
[ro.several]: [one
two]
"""


def test_what_a_phone_is(mirror: MirroredFiles) -> None:
    mirror.update(
        "fixed",
        "/sys/devices/system/cpu/present:0-7\n/proc/meminfo:MemTotal:  7683332 kB\n"
        "/proc/cpuinfo:processor\t: 0\n"
        "/proc/cpuinfo:Features\t: fp asimd fphp asimdhp asimddp i8mm",
    )
    facts = phone_facts(parse_properties(GETPROP), mirror.root)
    assert facts.cpu == "Google GS201"
    assert facts.architecture == "aarch64"
    assert (facts.cores, facts.memory_mib) == (8, 7503)
    assert facts.os == "Android 14 (API 34)"
    assert facts.flags == ("asimd", "asimdhp", "asimddp", "fphp", "i8mm")
    assert facts.virtual is None


def test_what_a_phone_does_not_say_is_unknown(mirror: MirroredFiles) -> None:
    facts = phone_facts({}, mirror.root)
    assert facts.model_dump(exclude_none=True) == {"flags": ()}
    older = {
        "ro.board.platform": "msm8953",
        "ro.build.version.release": "8.1.0",
        "ro.boot.qemu": "1",
    }
    facts = phone_facts(older, mirror.root)
    assert (facts.cpu, facts.os, facts.virtual) == ("msm8953", "Android 8.1.0", True)


def test_a_phone_is_named_by_its_model() -> None:
    assert phone_name(parse_properties(GETPROP), None) == "pixel-7"
    assert phone_name({"ro.product.model": "SM-G991B"}, None) == "sm-g991b"
    assert phone_name({}, "desk") == "desk"
    with pytest.raises(SetupError, match="--device"):
        phone_name({}, None)


def test_no_file_lands_outside(mirror: MirroredFiles, tmp_path: Path) -> None:
    mirror.update("live", f"/sys/../../../../{tmp_path}/escaped:x")
    assert not (tmp_path / "escaped").exists()


def test_what_services_said_is_not_how_it_is_at_every_visit(mirror: MirroredFiles) -> None:
    """Owners' limits use it; a visit a minute later has no temperature."""
    mirror.update("live", f"{ZONE}0/type:cpu")
    mirror.update("slow", slow())
    assert temperature_c(mirror.root) is not None
    assert (mirror.has_live_temperature, mirror.has_live_cooling) == (False, False)
    cooling = "/sys/class/thermal/cooling_device0"
    mirror.update(
        "live",
        f"{ZONE}0/type:cpu\n{ZONE}0/temp:41000\n{cooling}/type:cpufreq\n{cooling}/cur_state:0",
    )
    assert (mirror.has_live_temperature, mirror.has_live_cooling) == (True, True)
