"""Heat, battery and small files of /sys are read whatever a driver answers."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lpnet_agent.device_info.readings import (
    Battery,
    battery,
    mains,
    temperature_c,
    thermal_zones,
)
from lpnet_agent.device_info.sysfs import cpu_list, entries, number, text

TREES = Path(__file__).parents[2] / "trees"


def write(root: Path, path: str, content: str) -> Path:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content)
    return file


def zone(root: Path, index: int, temp: str, kind: str = "cpu-thermal") -> None:
    write(root, f"sys/class/thermal/thermal_zone{index}/temp", temp)
    write(root, f"sys/class/thermal/thermal_zone{index}/type", kind)


def supply(root: Path, name: str, **fields: str) -> None:
    for field, value in fields.items():
        write(root, f"sys/class/power_supply/{name}/{field}", value + "\n")


@pytest.mark.parametrize(
    ("tree", "hottest", "zones"), [("laptop", 54.0, 5), ("jetson", 49.125, 6), ("phone", 58.9, 9)]
)
def test_the_hottest_zone_of_each_machine(tree: str, hottest: float, zones: int) -> None:
    assert temperature_c(TREES / tree) == hottest
    assert len(thermal_zones(TREES / tree)) == zones


@pytest.mark.parametrize("temp", ["-274000", "0", "-40000", "45", "2147483647", "", "n/a", "4e4"])
def test_a_zone_that_says_no_temperature_is_left_out(tmp_path: Path, temp: str) -> None:
    zone(tmp_path, 0, temp)
    assert temperature_c(tmp_path) is None
    zone(tmp_path, 1, "30500\n")
    assert temperature_c(tmp_path) == 30.5


@pytest.mark.parametrize("kind", ["pm8150b-ibat-lvl0", "vbat", "soc", "pm8150l-bcl-lvl0", "socd"])
def test_a_zone_of_something_else_is_left_out(tmp_path: Path, kind: str) -> None:
    zone(tmp_path, 0, "90000", kind)
    assert temperature_c(tmp_path) is None


def test_a_jetsons_zone_of_that_name_is_one(tmp_path: Path) -> None:
    zone(tmp_path, 0, "40000", "soc0-thermal")
    assert temperature_c(tmp_path) == 40.0


def test_a_driver_that_fails_is_unknown(tmp_path: Path) -> None:
    (tmp_path / "sys/class/thermal/thermal_zone0/temp").mkdir(parents=True)  # reading it fails
    zone(tmp_path, 1, "41000")
    assert temperature_c(tmp_path) == 41.0


def test_a_driver_that_asks_to_try_again_is_unknown(tmp_path: Path) -> None:
    """The cv zones of a Jetson answer EAGAIN, of which Path.read_text makes a TypeError."""
    pipe = tmp_path / "temp"
    os.mkfifo(pipe)
    writer = os.open(pipe, os.O_RDWR)
    try:
        assert text(pipe) == ""
        assert number(pipe) is None
    finally:
        os.close(writer)


def test_a_laptop_discharges_whatever_its_mouse_does() -> None:
    assert battery(TREES / "laptop") == Battery(percent=63.0, discharging=True)
    assert mains(TREES / "laptop") is False


def test_a_jetson_has_no_battery() -> None:
    assert battery(TREES / "jetson") is None
    assert mains(TREES / "jetson") is False


def test_a_phone_says_what_a_phone_says() -> None:
    assert battery(TREES / "phone") == Battery(percent=41.0, discharging=True)


@pytest.mark.parametrize(
    ("status", "discharging"),
    [
        ("Discharging", True),
        ("Charging", False),
        ("Full", False),
        ("Not charging", False),
        ("Unknown", None),
        ("", None),
    ],
)
def test_what_a_battery_says_of_itself(
    tmp_path: Path, status: str, discharging: bool | None
) -> None:
    supply(tmp_path, "BAT0", type="Battery", status=status, capacity="80")
    assert battery(tmp_path) == Battery(80.0, discharging)


def test_of_two_batteries_the_lower_counts(tmp_path: Path) -> None:
    supply(tmp_path, "BAT0", type="Battery", status="Full", capacity="100")
    supply(tmp_path, "BAT1", type="Battery", status="Discharging", capacity="7")
    assert battery(tmp_path) == Battery(7.0, True)


@pytest.mark.parametrize("capacity", ["", "-1", "255", "full"])
def test_a_charge_that_cannot_be_is_unknown(tmp_path: Path, capacity: str) -> None:
    supply(tmp_path, "BAT0", type="Battery", status="Charging", capacity=capacity)
    assert battery(tmp_path) == Battery(None, False)


def test_a_bay_without_a_battery_has_none(tmp_path: Path) -> None:
    supply(tmp_path, "BAT0", type="Battery", present="0", status="Unknown", capacity="0")
    supply(tmp_path, "AC", type="Mains", online="1")
    assert battery(tmp_path) is None
    assert mains(tmp_path) is True


def test_a_machine_that_exposes_nothing_is_unknown(tmp_path: Path) -> None:
    assert temperature_c(tmp_path) is None
    assert battery(tmp_path) is None
    assert mains(tmp_path) is None


@given(st.binary(max_size=200))
def test_no_content_breaks_a_reading(tmp_path_factory: pytest.TempPathFactory, raw: bytes) -> None:
    root = tmp_path_factory.mktemp("root")
    for path in ("thermal/thermal_zone0/temp", "power_supply/BAT0/capacity"):
        write(root, f"sys/class/{path}", "").write_bytes(raw)
    write(root, "sys/class/power_supply/BAT0/type", "Battery\n")
    hottest = temperature_c(root)
    assert hottest is None or 1 <= hottest <= 150
    cell = battery(root)
    assert cell is not None
    assert cell.percent is None or 0 <= cell.percent <= 100


@given(st.sets(st.integers(0, 300), min_size=1))
def test_lists_of_cores_are_read_back(cores: set[int]) -> None:
    parts: list[list[int]] = []
    for core in sorted(cores):
        if parts and parts[-1][-1] == core - 1:
            parts[-1].append(core)
        else:
            parts.append([core])
    text = ",".join(f"{p[0]}-{p[-1]}" if len(p) > 1 else str(p[0]) for p in parts)
    assert cpu_list(text) == tuple(sorted(cores))


@pytest.mark.parametrize("text", ["", "a", "3-1", "1-", "-1", "0,,1", "0-99999999999"])
def test_what_is_no_list_of_cores_is_unknown(text: str) -> None:
    assert cpu_list(text) is None


def test_a_number_may_be_read_in_another_unit(tmp_path: Path) -> None:
    file = write(tmp_path, "scaling_cur_freq", "1190400\n")
    assert number(file) == 1_190_400
    assert number(file, 1e-3) == pytest.approx(1190.4)
    assert number(tmp_path / "absent", 1e-3) is None


def test_numbers_are_sorted_as_numbers(tmp_path: Path) -> None:
    for index in (10, 2, 1):
        (tmp_path / f"zone{index}").mkdir()
    assert [path.name for path in entries(tmp_path)] == ["zone1", "zone2", "zone10"]
