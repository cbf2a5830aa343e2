"""Every reader of conditions, and every check of the doctor, on each recorded machine."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.harness.budget import examples

from lpnet_agent.device_info.facts import clock_policy
from lpnet_agent.doctor.examination import Examination, examine
from lpnet_agent.doctor.finding import Finding
from lpnet_agent.doctor.interference_signals import Signal, read_signals
from lpnet_agent.doctor.report import as_data, conclusion, format_report
from lpnet_agent.measure.conditions import Probe
from lpnet_agent.settings import Settings

TREES = Path(__file__).parents[2] / "trees"
NAMES = ("laptop", "jetson", "phone")


def examined(tree: Path, threads: int = 1) -> Examination:
    return examine(Settings(threads=threads, root=tree), server_required=False)


def finding(tree: Path | str, name: str, threads: int = 1) -> Finding:
    found = examined(TREES / tree, threads).findings
    return next(one for one in found if one.name == name)


@pytest.fixture
def copy(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A recorded machine that a test may change; named by indirect parametrization."""
    place = tmp_path / "machine"
    shutil.copytree(TREES / request.param, place, symlinks=True)
    return place


@pytest.mark.parametrize(
    ("tree", "core", "mhz", "celsius", "throttles", "load"),
    [
        ("laptop", 0, 2100.0, 54.0, 12, 0.52),
        ("jetson", 5, 1190.4, 49.125, None, 0.31),
        ("phone", 7, 2534.4, 58.9, None, 9.81),
    ],
)
def test_conditions_of_a_sample(
    tree: str, core: int, mhz: float, celsius: float, throttles: int | None, load: float
) -> None:
    seen = Probe((core,), TREES / tree).read()
    assert seen.throttles == throttles
    assert seen.frequency_mhz == pytest.approx(mhz)
    assert seen.temperature_c == celsius
    assert seen.load_1m == load
    assert seen.steal_s == 0.0


@pytest.mark.parametrize(
    ("tree", "core", "governor"),
    [("laptop", 0, "powersave"), ("jetson", 4, "schedutil"), ("phone", 7, "schedutil")],
)
def test_the_clock_policy_of_a_target(tree: str, core: int, governor: str) -> None:
    assert clock_policy(core, TREES / tree) == governor


VERDICTS = {
    "laptop": {
        "clock governor": "attend",
        "turbo": "attend",
        "clock now": "ok",
        "kind of cores": "unknown",
        "temperature": "ok",
        "throttling so far": "attend",
        "throttling now": "ok",
        "cores": "ok",
        "CPU quota": "ok",
        "hyper-threads": "attend",
        "isolated cores": "ok",
        "virtual machine": "ok",
        "memory": "ok",
        "power supply": "attend",
        "power mode": "ok",
    },
    "jetson": {
        "clock governor": "attend",
        "turbo": "unknown",
        "clock now": "attend",
        "kind of cores": "ok",
        "temperature": "ok",
        "throttling so far": "unknown",
        "throttling now": "ok",
        "CPU quota": "ok",
        "hyper-threads": "ok",
        "virtual machine": "unknown",
        "power supply": "ok",
        "power mode": "attend",
    },
    "phone": {
        "clock governor": "attend",
        "turbo": "unknown",
        "clock now": "attend",
        "kind of cores": "ok",
        "temperature": "ok",
        "throttling so far": "unknown",
        "throttling now": "bad",
        "CPU quota": "unknown",
        "isolated cores": "unknown",
        "power supply": "attend",
        "power mode": "unknown",
    },
}


@pytest.mark.parametrize("tree", NAMES)
def test_each_machine_is_judged(tree: str) -> None:
    found = {one.name: one.verdict for one in examined(TREES / tree).findings}
    assert {name: found[name] for name in VERDICTS[tree]} == VERDICTS[tree]


@pytest.mark.parametrize("tree", NAMES)
def test_what_cannot_be_known_of_a_recorded_machine_is_unknown(tree: str) -> None:
    found = {one.name: one for one in examined(TREES / tree).findings}
    for name in ("load", "server", "token", "state folder", "noise within a session"):
        assert found[name].verdict == "unknown", name


@pytest.mark.parametrize("tree", NAMES)
def test_whatever_asks_for_something_says_what_to_do(tree: str) -> None:
    for one in examined(TREES / tree).findings:
        assert bool(one.remedy) == (one.verdict in ("attend", "bad")), one.name


def test_a_machine_that_exposes_nothing_is_unknown_and_never_ok(tmp_path: Path) -> None:
    found = examined(tmp_path)
    assert {one.verdict for one in found.findings} == {"unknown"}
    assert {signal.reading for signal in found.signals} == {None}
    assert "unknown: not exposed here" in format_report(found)
    assert conclusion(found).startswith(
        f"Fit for measuring. {len(found.findings)} things are unknown"
    )


def test_the_words_name_what_was_seen() -> None:
    words = format_report(examined(TREES / "phone"))
    assert words.startswith("Examined for measuring with 1 thread on core 7.")
    assert "slowed down now by thermal-cpufreq-7 (cooling_device2) at 2" in words
    assert words.splitlines()[-1].startswith("Not fit for measuring, because of: throttling now.")
    assert "sudo nvpmodel -m 2 " in format_report(examined(TREES / "jetson"))


def test_the_data_say_the_same() -> None:
    found = examined(TREES / "laptop")
    data = as_data(found)
    assert data["fit"] is True
    assert data["cores"] == (7,)
    assert [one["name"] for one in data["findings"]] == [one.name for one in found.findings]
    assert {one["verdict"] for one in data["findings"]} <= {"ok", "attend", "bad", "unknown"}


def test_threads_choose_the_cores() -> None:
    assert examined(TREES / "phone", threads=4).cores == (4, 5, 6, 7)
    unlike = finding("phone", "kind of cores", threads=4)
    assert unlike.verdict == "attend"
    assert "capacity 871 on cores 4, 5, 6" in unlike.observation
    assert finding("jetson", "cores", threads=7).verdict == "bad"
    assert finding("jetson", "cores", threads=6).verdict == "attend"
    assert (
        "on the same physical core"
        not in finding("laptop", "hyper-threads", threads=4).observation
    )
    assert finding("laptop", "hyper-threads", threads=8).observation.endswith("same physical core")


@pytest.mark.parametrize("copy", ["laptop"], indirect=True)
def test_clock_cautions_name_the_commands_to_do_and_to_undo(copy: Path) -> None:
    cpus = "/sys/devices/system/cpu"
    file = f"{cpus}/cpu7/cpufreq/scaling_governor"
    assert finding(copy, "clock governor").remedy == (
        f"echo performance | sudo tee {file}    # to undo: echo powersave | sudo tee {file}"
    )
    no_turbo = f"{cpus}/intel_pstate/no_turbo"
    assert finding(copy, "turbo").remedy == (
        f"echo 1 | sudo tee {no_turbo}    # to undo: echo 0 | sudo tee {no_turbo}"
    )
    (copy / no_turbo[1:]).unlink()
    boost = f"{cpus}/cpufreq/boost"
    (copy / boost[1:]).write_text("1\n")
    assert finding(copy, "turbo").remedy == (
        f"echo 0 | sudo tee {boost}    # to undo: echo 1 | sudo tee {boost}"
    )


@pytest.mark.parametrize("copy", ["laptop"], indirect=True)
def test_cores_with_other_governors_are_put_back_one_by_one(copy: Path) -> None:
    policy = copy / "sys/devices/system/cpu/cpu6/cpufreq"
    (policy.resolve() / "scaling_governor").write_text("performance\n")
    caution = finding(copy, "clock governor", threads=2)
    assert caution.observation.startswith("performance on core 6; powersave on core 7: ")
    file = "/sys/devices/system/cpu/cpu{}/cpufreq/scaling_governor"
    assert caution.remedy is not None
    assert caution.remedy.endswith(
        f"# to undo: echo performance | sudo tee {file.format(6)}; echo powersave | sudo tee "
        f"{file.format(7)}"
    )


@pytest.mark.parametrize("copy", ["laptop"], indirect=True)
def test_a_steady_laptop_is_ok(copy: Path) -> None:
    cpu = copy / "sys/devices/system/cpu"
    for governor in cpu.glob("cpufreq/policy*/scaling_governor"):
        governor.write_text("performance\n")
    (cpu / "intel_pstate/no_turbo").write_text("1\n")
    for count in cpu.glob("cpu*/thermal_throttle/*_throttle_count"):
        count.write_text("0\n")
    for core in range(8):
        (cpu / f"cpu{core}/topology/thread_siblings_list").write_text(f"{core}\n")
    (copy / "sys/class/power_supply/AC/online").write_text("1\n")
    (copy / "sys/class/power_supply/BAT0/status").write_text("Charging\n")
    found = examined(copy)
    assert [one.name for one in found.findings if one.verdict in ("attend", "bad")] == []


@pytest.mark.parametrize("copy", ["laptop"], indirect=True)
@pytest.mark.parametrize(
    ("millidegrees", "verdict"), [(93_000, "ok"), (95_000, "attend"), (99_500, "bad")]
)
def test_heat_is_judged_by_the_trip_points(copy: Path, millidegrees: int, verdict: str) -> None:
    (copy / "sys/class/thermal/thermal_zone2/temp").write_text(f"{millidegrees}\n")
    assert finding(copy, "temperature").verdict == verdict


@pytest.mark.parametrize("copy", ["jetson"], indirect=True)
@pytest.mark.parametrize(
    ("quota", "verdict", "says"),
    [
        ("150000 100000", "bad", "1.5 CPUs"),
        ("400000 100000", "ok", "4 CPUs"),
        ("max 100000", "ok", "none"),
    ],
)
def test_a_quota_of_any_group_above_counts(
    copy: Path, quota: str, verdict: str, says: str
) -> None:
    (copy / "sys/fs/cgroup/system.slice/cpu.max").write_text(quota + "\n")
    found = finding(copy, "CPU quota")
    assert found.verdict == verdict
    assert says in found.observation


@pytest.mark.parametrize("copy", ["phone"], indirect=True)
def test_a_quota_of_the_old_kind_of_group_counts(copy: Path) -> None:
    group = copy / "sys/fs/cgroup/cpu"
    group.mkdir(parents=True)
    (group / "cpu.cfs_quota_us").write_text("-1\n")
    (group / "cpu.cfs_period_us").write_text("100000\n")
    assert finding(copy, "CPU quota").verdict == "ok"
    (group / "cpu.cfs_quota_us").write_text("50000\n")
    assert finding(copy, "CPU quota").verdict == "bad"


@pytest.mark.parametrize("copy", ["laptop"], indirect=True)
def test_a_virtual_machine_is_told(copy: Path) -> None:
    cpuinfo = copy / "proc/cpuinfo"
    cpuinfo.write_text(cpuinfo.read_text().replace("flags\t\t: fpu", "flags\t\t: fpu hypervisor"))
    (copy / "proc/stat").write_text("cpu  800 0 100 9000 0 0 0 100 0 0\n")
    found = finding(copy, "virtual machine")
    assert found.verdict == "attend"
    assert "1.0% of CPU time stolen since start" in found.observation
    # What it shows of hyper-threads is what the host likes.
    assert finding(copy, "hyper-threads").verdict == "unknown"


@pytest.mark.parametrize("copy", ["phone"], indirect=True)
@pytest.mark.parametrize(
    ("kib", "verdict"), [(100_000, "bad"), (400_000, "attend"), (900_000, "ok")]
)
def test_little_memory_is_told(copy: Path, kib: int, verdict: str) -> None:
    (copy / "proc/meminfo").write_text(f"MemTotal: 5712344 kB\nMemAvailable: {kib} kB\n")
    assert finding(copy, "memory").verdict == verdict


@pytest.mark.parametrize("copy", ["laptop"], indirect=True)
def test_an_empty_battery_is_bad(copy: Path) -> None:
    (copy / "sys/class/power_supply/BAT0/capacity").write_text("9\n")
    assert finding(copy, "power supply").verdict == "bad"


@pytest.mark.parametrize("copy", ["laptop"], indirect=True)
def test_isolated_cores_are_told(copy: Path) -> None:
    (copy / "sys/devices/system/cpu/isolated").write_text("3,7\n")
    assert (
        finding(copy, "isolated cores").observation
        == "cores 3, 7, which include the measured ones"
    )


@pytest.mark.parametrize("copy", ["jetson"], indirect=True)
def test_a_jetson_at_full_power_is_ok(copy: Path) -> None:
    (copy / "var/lib/nvpmodel/status").write_text("pmode:0002\n")
    found = finding(copy, "power mode")
    assert (found.verdict, found.observation) == ("ok", "mode 2 (MAXN_SUPER)")


GARBAGE = (
    "",
    "\n",
    "garbage",
    "-1",
    "0",
    "1 2 3",
    "99999999999999999999999",
    "max",
    "\x00",
    "0-",
    ":::",
)


@examples(40)
@given(data=st.data())
def test_no_content_of_any_file_breaks_the_doctor(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    name = data.draw(st.sampled_from(NAMES))
    place = tmp_path_factory.mktemp("machine") / name
    shutil.copytree(TREES / name, place, symlinks=True)
    files = sorted(path for path in place.rglob("*") if path.is_file())
    for file in data.draw(st.lists(st.sampled_from(files), min_size=1, max_size=60)):
        file.write_text(data.draw(st.sampled_from(GARBAGE)))
    found = examined(place)
    assert format_report(found).splitlines()[-1].startswith(("Fit for", "Not fit for"))


def exposed(tree: str) -> dict[str, Signal]:
    return {signal.name: signal for signal in read_signals(TREES / tree, (5,))}


def test_signals_that_a_machine_exposes() -> None:
    assert exposed("laptop")["throttle flags"].reading == "exposed as counters of the cores"
    assert "cpu-throttle-alert" in exposed("jetson")["throttle flags"].description
    phone = exposed("phone")
    assert phone["time waited for a core"].reading is None
    assert phone["time waited for a core"].description == "unknown: not exposed here"
    assert "host that hides it" in phone["steal by the host"].description
    assert phone["temperature"].reading == "exposed by 9 zones, 58.9 C now"
