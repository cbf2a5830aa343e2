"""A phone's files as files of this machine, and what is read from them."""

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
from lpnet_agent.devices.adb.facts import phone_facts, phone_name, properties
from lpnet_agent.devices.adb.mirrored_files import MirroredFiles, files
from lpnet_agent.errors import SetupError

BATTERY = (FILES / "services/battery").read_text()
THERMAL = (FILES / "services/thermalservice").read_text()
ZONE = "/sys/class/thermal/thermal_zone"


@pytest.fixture
def tree() -> Iterator[MirroredFiles]:
    with MirroredFiles() as made:
        yield made


def slow(sysfs: str = "", battery: str = BATTERY, thermal: str = THERMAL) -> str:
    return f"{sysfs}@battery\n{battery}@thermal\n{thermal}"


def test_lines_become_files() -> None:
    said = "/proc/a:1\n/proc/a:x: y\nwarning\n/sys/b:\r\n../../etc/passwd:x\n/../etc/x:y\n"
    assert files(said) == {"/proc/a": "1\nx: y", "/sys/b": ""}


def test_what_is_gone_is_not_read_any_more(tree: MirroredFiles) -> None:
    tree.take(
        "live", f"{ZONE}0/type:cpu\n{ZONE}0/temp:41000\n{ZONE}1/type:gpu\n{ZONE}1/temp:51000"
    )
    assert temperature_c(tree.root) == 51
    tree.take("live", f"{ZONE}0/type:cpu\n{ZONE}0/temp:42000\n{ZONE}1/type:gpu")
    assert temperature_c(tree.root) == 42
    tree.take("live", "")
    assert temperature_c(tree.root) is None


def test_parts_are_apart(tree: MirroredFiles) -> None:
    tree.take("live", f"{ZONE}0/type:cpu\n{ZONE}0/temp:41000")
    tree.take("counters", "/proc/loadavg:1.50 1.20 1.00 3/900 4711")
    assert load(tree.root) == (1.5, 3)
    assert temperature_c(tree.root) == 41


def test_the_folder_goes_with_the_tree() -> None:
    with MirroredFiles() as made:
        made.take("live", "/proc/loadavg:1 1 1 1/1 1")
        root = made.root
    assert not root.exists()


def test_a_battery_that_only_android_tells_of(tree: MirroredFiles) -> None:
    tree.take("slow", slow())
    assert battery(tree.root) == Battery(percent=84.0, discharging=False)
    assert mains(tree.root) is True
    unplugged = BATTERY.replace("USB powered: true", "USB powered: false")
    tree.take("slow", slow(battery=unplugged.replace("status: 2", "status: 3")))
    assert battery(tree.root) == Battery(percent=84.0, discharging=True)
    assert mains(tree.root) is False


def test_what_the_kernel_says_of_the_battery_wins(tree: MirroredFiles) -> None:
    supply = "/sys/class/power_supply/bms"
    tree.take("slow", slow(f"{supply}/type:Battery\n{supply}/capacity:55\n{supply}/status:Full\n"))
    assert battery(tree.root) == Battery(percent=55.0, discharging=False)


@pytest.mark.parametrize(
    "said", ["", "Can't find service: battery\n", "  level: 84\n  scale: 0\n"]
)
def test_without_a_battery_there_is_none(tree: MirroredFiles, said: str) -> None:
    tree.take("slow", slow(battery=said))
    assert battery(tree.root) is None


def test_temperatures_that_only_android_tells_of(tree: MirroredFiles) -> None:
    """Those of the CPU, of now: the skin's and the cached ones are others."""
    tree.take("slow", slow())
    assert {zone.kind: zone.temperature_c for zone in thermal_zones(tree.root)} == {
        "LITTLE": 41.5,
        "BIG": 43.2,
    }
    assert cpu_cooling(tree.root) == {"android-cpu-throttle (cooling_device9000)": 0}
    tree.take("slow", slow(thermal=THERMAL.replace("Status: 0", "Status: 2", 1)))
    assert cpu_cooling(tree.root) == {"android-cpu-throttle (cooling_device9000)": 2}


def test_the_kernels_temperatures_win(tree: MirroredFiles) -> None:
    cooling = "/sys/class/thermal/cooling_device0"
    tree.take(
        "live",
        f"{ZONE}0/type:cpu-0\n{ZONE}0/temp:38000\n{cooling}/type:thermal-cpufreq-0\n"
        f"{cooling}/cur_state:3",
    )
    tree.take("slow", slow())
    assert [zone.kind for zone in thermal_zones(tree.root)] == ["cpu-0"]
    assert cpu_cooling(tree.root) == {"thermal-cpufreq-0 (cooling_device0)": 3}


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


def test_what_a_phone_is(tree: MirroredFiles) -> None:
    tree.take(
        "fixed",
        "/sys/devices/system/cpu/present:0-7\n/proc/meminfo:MemTotal:  7683332 kB\n"
        "/proc/cpuinfo:processor\t: 0\n"
        "/proc/cpuinfo:Features\t: fp asimd fphp asimdhp asimddp i8mm",
    )
    found = phone_facts(properties(GETPROP), tree.root)
    assert found.cpu == "Google GS201"
    assert found.architecture == "aarch64"
    assert (found.cores, found.memory_mib) == (8, 7503)
    assert found.os == "Android 14 (API 34)"
    assert found.flags == ("asimd", "asimdhp", "asimddp", "fphp", "i8mm")
    assert found.virtual is None


def test_what_a_phone_does_not_say_is_unknown(tree: MirroredFiles) -> None:
    found = phone_facts({}, tree.root)
    assert found.model_dump(exclude_none=True) == {"flags": ()}
    older = {
        "ro.board.platform": "msm8953",
        "ro.build.version.release": "8.1.0",
        "ro.boot.qemu": "1",
    }
    found = phone_facts(older, tree.root)
    assert (found.cpu, found.os, found.virtual) == ("msm8953", "Android 8.1.0", True)


def test_a_phone_is_named_by_its_model() -> None:
    assert phone_name(properties(GETPROP), None) == "pixel-7"
    assert phone_name({"ro.product.model": "SM-G991B"}, None) == "sm-g991b"
    assert phone_name({}, "desk") == "desk"
    with pytest.raises(SetupError, match="--device"):
        phone_name({}, None)


def test_no_file_lands_outside(tree: MirroredFiles, tmp_path: Path) -> None:
    tree.take("live", f"/sys/../../../../{tmp_path}/escaped:x")
    assert not (tmp_path / "escaped").exists()


def test_what_services_said_is_not_how_it_is_at_every_visit(tree: MirroredFiles) -> None:
    """Owners' limits go by it; a visit a minute later calls its heat unknown."""
    tree.take("live", f"{ZONE}0/type:cpu")
    tree.take("slow", slow())
    assert temperature_c(tree.root) is not None
    assert (tree.live_heat, tree.live_cooling) == (False, False)
    cooling = "/sys/class/thermal/cooling_device0"
    tree.take(
        "live",
        f"{ZONE}0/type:cpu\n{ZONE}0/temp:41000\n{cooling}/type:cpufreq\n{cooling}/cur_state:0",
    )
    assert (tree.live_heat, tree.live_cooling) == (True, True)
