"""Phones over real adb: Debian's client and server, its adbd, and lpnet's device on them."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.harness.adb import AdbServer, Phone, Program, Stranger, program

from lpnet.stop import Stop
from lpnet_agent.devices.adb import file_store as stores
from lpnet_agent.devices.adb import phone as phones
from lpnet_agent.devices.adb import visit as visits
from lpnet_agent.devices.adb.binary import Binary
from lpnet_agent.devices.adb.device import PhoneDevice, open_phone
from lpnet_agent.devices.adb.file_store import FileStore, free_kib
from lpnet_agent.doctor.phone_examination import examine_phone
from lpnet_agent.errors import DeviceUnavailable, Interrupted, MeasureFailed, SetupError
from lpnet_agent.measure.job import Measurer
from lpnet_agent.measure.messages import Item
from lpnet_agent.settings import Settings
from lpnet_agent.state import StateDir

# Short visits; these tests do not check their latencies.
FAST = {"block_s": 0.02, "network_s": 0.02, "visits": 2, "gap_s": 0.0, "crowded": 1.0}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AdbServer]:
    server = AdbServer(tmp_path_factory.mktemp("adb") / "server")
    yield server
    server.stop()


@pytest.fixture(scope="module")
def switched_on(server: AdbServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Phone]:
    phone = Phone(tmp_path_factory.mktemp("phone") / "phone")
    server.connect(phone)
    yield phone
    phone.close()


@pytest.fixture
def phone(
    switched_on: Phone, server: AdbServer, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Phone]:
    """The phone, connected, and with nothing of lpnet on it."""
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    server.connect(switched_on)
    yield switched_on
    server.connect(switched_on)
    server.run("-s", switched_on.serial, "shell", "rm -rf /data/local/tmp/*")


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Program:
    pytest.importorskip("ai_edge_litert")
    return program(tmp_path_factory.mktemp("runner"))


def settings(phone: Phone | str, binary: Program, **changes: object) -> Settings:
    return Settings.model_validate(
        {
            "adb": phone if isinstance(phone, str) else phone.serial,
            "benchmark_model": binary.path,
            "benchmark_model_sha256": binary.sha256,
            **FAST,
            **changes,
        }
    )


# Debian's own client against the daemon: what lpnet's tests rest on.


def test_debian_pushes_and_pulls(phone: Phone, server: AdbServer, tmp_path: Path) -> None:
    sent, come = tmp_path / "sent", tmp_path / "come"
    sent.write_bytes(os.urandom(3_000_001))
    pushed = server.run("-s", phone.serial, "push", str(sent), "/data/local/tmp/file")
    assert pushed.returncode == 0, pushed.stderr
    assert (phone.data / "file").read_bytes() == sent.read_bytes()
    pulled = server.run("-s", phone.serial, "pull", "/data/local/tmp/file", str(come))
    assert pulled.returncode == 0, pulled.stderr
    assert come.read_bytes() == sent.read_bytes()


def test_debians_shell_has_exit_codes_and_two_outputs(phone: Phone, server: AdbServer) -> None:
    command = "echo out; echo err >&2; exit 7"
    apart = server.run("-s", phone.serial, "shell", "-T", command)
    assert (apart.stdout, apart.stderr, apart.returncode) == ("out\n", "err\n", 7)
    together = server.run("-s", phone.serial, "shell", "-x", command)
    assert (sorted(together.stdout.split()), together.returncode) == (["err", "out"], 0)


# lpnet's own side of it.


def test_commands_end_with_their_status_and_outputs(phone: Phone) -> None:
    mine = phones.Phone(phone.serial)
    ended = mine.run("echo out; echo err >&2; exit 7")
    assert (ended.out, ended.err, ended.code) == ("out\n", "err\n", 7)
    assert mine.run("true").code == 0
    assert mine.run("kill -9 $$").code == 137


def test_much_goes_in_and_comes_out(phone: Phone) -> None:
    content = os.urandom(5_000_000)
    ended = phones.Phone(phone.serial).run("sha256sum; seq 1 200000", stdin=content)
    digest, _, numbers = ended.out.partition("\n")
    assert digest.split()[0] == hashlib.sha256(content).hexdigest()
    assert numbers.split()[-1] == "200000"


def test_a_command_that_reads_nothing_is_no_trouble(phone: Phone) -> None:
    assert phones.Phone(phone.serial).run("exit 3", stdin=bytes(5_000_000)).code == 3


def test_the_end_of_the_agent_does_not_wait_for_the_phone(
    phone: Phone, stop: Stop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lpnet_agent.devices.adb.shell._GRACE_S", 0.2)
    mine = phones.Phone(phone.serial, stop)
    threading.Timer(0.3, stop.set).start()
    with pytest.raises(Interrupted, match="the agent is stopping"):
        mine.run("exec sleep 600", timeout_s=60)


def test_a_phone_that_is_chosen_wrongly(
    phone: Phone, server: AdbServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SetupError, match=f"phone 0123 is not connected.*{phone.serial}"):
        phones.Phone("0123")
    assert phones.Phone("auto").serial == phone.serial
    stranger = Stranger()
    server.run("connect", stranger.serial)
    with pytest.raises(SetupError, match="2 phones are connected: select one with --adb"):
        phones.Phone("auto")
    with pytest.raises(SetupError, match="does not trust this computer: unlock it"):
        wait_for_state(stranger.serial, "unauthorized", server)
    server.run("disconnect", stranger.serial)
    stranger.close()
    monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", "1")
    with pytest.raises(
        SetupError, match=r"no adb server answers at 127.0.0.1:1 .*adb start-server"
    ):
        phones.Phone(phone.serial)


def wait_for_state(serial: str, state: str, server: AdbServer) -> phones.Phone:
    end = time.monotonic() + 90
    while state not in server.run("devices").stdout:
        assert time.monotonic() < end, server.run("devices").stdout
        time.sleep(0.1)
    return phones.Phone(serial)


def test_a_phone_is_away_and_back(phone: Phone) -> None:
    mine = phones.Phone(phone.serial)
    phone.cable.set("refused")
    with pytest.raises(DeviceUnavailable, match=f"phone {phone.serial}"):
        mine.run("true")
    assert mine.unreachable
    assert mine.find_problem() is not None
    phone.cable.set("open")
    until(lambda: mine.find_problem() is None, "it is back")
    assert not mine.unreachable
    assert mine.run("true").code == 0


def test_a_command_that_hangs(phone: Phone) -> None:
    with pytest.raises(DeviceUnavailable, match="did not answer within 1 s"):
        phones.Phone(phone.serial).run("exec sleep 600", timeout_s=1)


def test_a_phone_that_hangs(phone: Phone) -> None:
    mine = phones.Phone(phone.serial)
    phone.cable.set("silent")
    with pytest.raises(DeviceUnavailable, match="did not answer within 5 s"):
        mine.run("true")
    phone.cable.set("open")
    until(lambda: mine.find_problem() is None, "it is back")


def test_the_adb_server_is_away_and_back(phone: Phone, server: AdbServer) -> None:
    mine = phones.Phone(phone.serial)
    server.stop()
    with pytest.raises(DeviceUnavailable, match=r"no adb server answers at .*adb start-server"):
        mine.run("true")
    server.start()
    until(lambda: mine.find_problem() is None, "it is back")


def test_a_restarted_phone_is_the_same_and_another_is_not(phone: Phone) -> None:
    mine = phones.Phone(phone.serial)
    phone.set_property("sys.boot_completed", "")
    phone.restart()
    until(lambda: "still starting" in (mine.find_problem() or ""), "it is starting")
    phone.set_property("sys.boot_completed", "1")
    until(lambda: mine.find_problem() is None, "it is up")
    phone.set_property("ro.serialno", "T0000002")
    with pytest.raises(SetupError, match="another phone than before"):
        mine.find_problem()
    phone.set_property("ro.serialno", "T0000001")


def until(reached: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + 90
    while not reached():
        assert time.monotonic() < end, f"never happened: {what}"
        time.sleep(0.2)


def store_of(phone: Phone, state: Path, user: str = "agent") -> FileStore:
    """With a program that goes on until it is killed."""
    content = b"#!/bin/sh\nwhile :; do sleep 1; done\n"
    program = Binary(content, hashlib.sha256(content).hexdigest())
    return FileStore(phones.Phone(phone.serial), program, state, user)


@pytest.fixture
def store(phone: Phone, tmp_path: Path) -> FileStore:
    return store_of(phone, tmp_path)


def names(phone: Phone) -> set[str]:
    return {path.name for path in (phone.data / "lpnet").glob("*/*")}


def outside(phone: Phone, store: FileStore) -> Path:
    """A store's folder, seen from outside of the phone."""
    return phone.data / Path(store.folder).relative_to("/data/local/tmp")


def test_a_network_is_pushed_once_by_its_hash(phone: Phone, store: FileStore) -> None:
    content = os.urandom(1_000_000)
    name = store.put_network(content)
    assert name == hashlib.sha256(content).hexdigest() + ".tflite"
    file = outside(phone, store) / name
    assert file.read_bytes() == content
    before = file.stat()
    store.invalidate()
    assert store.put_network(content) == name
    assert file.stat().st_mtime_ns == before.st_mtime_ns
    assert file.stat().st_ino == before.st_ino
    assert names(phone) == {name}


def test_what_was_damaged_is_pushed_again(phone: Phone, store: FileStore) -> None:
    name = store.put_network(b"x" * 1000)
    (outside(phone, store) / name).write_bytes(b"y" * 1000)
    store.invalidate()
    store.put_network(b"x" * 1000)
    assert (outside(phone, store) / name).read_bytes() == b"x" * 1000


def test_networks_are_bounded_and_nothing_stays_behind(
    phone: Phone, store: FileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.install()
    monkeypatch.setattr(stores, "_MAX_FILES", 3)
    put = [store.put_network(bytes([number]) * 1000) for number in range(5)]
    assert names(phone) == {Path(store.program).name, *put[2:]}
    monkeypatch.setattr(stores, "_MAX_BYTES", 5000)
    large = store.put_network(bytes(4500))
    assert names(phone) == {Path(store.program).name, large}
    store.close()
    assert not (phone.data / "lpnet").exists()


def test_what_a_killed_agent_left_is_cleared_away(
    phone: Phone, store: FileStore, tmp_path: Path
) -> None:
    store.put_network(b"left")
    (outside(phone, store) / "half.tflite.part").write_bytes(b"ha")
    following = store_of(phone, tmp_path)
    assert len(names(phone)) == 2
    following.install()
    assert names(phone) == {Path(following.program).name}


def test_agents_of_one_phone_leave_each_others_files_alone(phone: Phone, tmp_path: Path) -> None:
    little, big = (store_of(phone, tmp_path / name) for name in ("little", "big"))
    for agent in (little, big):
        agent.install()
        agent.put_network(b"of both")
    folder = outside(phone, little)
    (folder / "half.tflite.part").write_bytes(b"ha")
    kept = {path.name for path in folder.iterdir()}
    assert len(kept) == 3
    following = store_of(phone, tmp_path / "big")
    following.install()
    assert len(list(outside(phone, big).iterdir())) == 1
    following.close()
    assert not outside(phone, big).exists()
    doctor = store_of(phone, tmp_path / "little", "doctor")
    doctor.close()
    doctor.install()
    doctor.close()
    assert {path.name for path in folder.iterdir()} == kept
    little.close()
    assert not (phone.data / "lpnet").exists()


def test_a_program_that_outlived_the_cable_is_killed_and_no_other(
    phone: Phone, tmp_path: Path
) -> None:
    little, big = (store_of(phone, tmp_path / name) for name in ("little", "big"))
    for agent in (little, big):
        agent.install()
        started = phones.Phone(phone.serial).run(
            f"setsid {agent.program} --graph=some </dev/null >/dev/null 2>&1 &"
        )
        assert started.code == 0
        until(lambda agent=agent: bool(phone.runs(agent.program)), "it runs")  # type: ignore[misc]
    little.invalidate()
    until(lambda: phone.runs(little.program) == [], "it is gone")
    assert phone.runs(big.program) != []
    # What a killed agent left running, too.
    store_of(phone, tmp_path / "big").install()
    until(lambda: phone.runs(big.program) == [], "it is gone")


def test_the_doctor_writes_nothing_to_the_phone_of_an_agent(
    phone: Phone, runner: Program, tmp_path: Path
) -> None:
    # On a full phone nothing could be written.
    phone.fill()
    chosen = settings(phone, runner, state_dir=tmp_path / "state", url="http://127.0.0.1:1")
    with StateDir(chosen.state_dir):
        examination = examine_phone(chosen, server_required=False)
    phone.free()
    findings = {
        finding.name: finding for _, findings in examination.themes for finding in findings
    }
    assert findings["phone"].verdict == "ok"
    assert "an agent measures here" in findings["noise between sessions"].observation
    assert not (phone.data / "lpnet").exists()


def test_a_full_phone_is_waited_for(phone: Phone, store: FileStore) -> None:
    first = store.put_network(bytes(100_000))
    phone.fill()
    with pytest.raises(DeviceUnavailable, match=r"is full: free 1 MiB in /data"):
        store.put_network(os.urandom(900_000))
    # Other networks were evicted first, and no partial file remains.
    assert first not in names(phone)
    assert not any(name.endswith(".part") for name in names(phone))
    assert "is full" in (store.check_space() or "")
    phone.free()
    assert store.check_space() is None
    store.put_network(os.urandom(900_000))
    assert (free_kib(phones.Phone(phone.serial)) or 0) > 1000


# A benchmark_model on it.


@pytest.fixture
def measured(phone: Phone, tmp_path: Path, stop: Stop) -> Iterator[Callable[..., Measurer]]:
    """Starts to measure with a program."""
    opened: list[tuple[object, PhoneDevice]] = []

    def start(binary: Program, **changes: object) -> Measurer:
        config = settings(phone, binary, state_dir=tmp_path / "state", **changes)
        context = open_phone(config, stop)
        device = context.__enter__()
        opened.append((context, device))
        return device.measurer(stop)

    yield start
    for context, _ in opened:
        context.__exit__(None, None, None)  # type: ignore[attr-defined]


def test_a_network_is_measured(
    phone: Phone,
    measured: Callable[..., Measurer],
    runner: Program,
    block_item: Callable[[int], Item],
    space_file: Path,
) -> None:
    with measured(runner) as measurer:
        sample = measurer.measure(block_item(1), space_file)
        assert sample.latency_ms > 0
        assert sample.count is not None
        assert sample.count >= 12
        assert sample.min_ms is not None
        assert sample.min_ms <= sample.latency_ms
        assert (sample.draw, sample.session) == ("dense", measurer.session_info.session)
        conditions = sample.conditions
        assert conditions is not None
        assert len(conditions.visits_ms) == 2
        assert conditions.others_s is not None
        assert conditions.elsewhere_share is not None or os.cpu_count() == 1
        # Here only services print them, and not for each visit.
        assert (conditions.temperature_c, conditions.throttled) == (None, None)
        assert (conditions.frequency_mhz, conditions.involuntary_switches) == (1800.0, None)
        assert measurer.busy_s > measurer.timed_s > 0
        session = measurer.session_info.session
        measurer.renew()
        assert measurer.session_info.session != session
        stored = names(phone)
        assert len(stored) == 2
        measurer.measure(block_item(1), space_file)
        assert names(phone) == stored


def test_the_files_may_vanish_from_the_phone(
    phone: Phone,
    measured: Callable[..., Measurer],
    runner: Program,
    block_item: Callable[[int], Item],
    space_file: Path,
) -> None:
    with measured(runner) as measurer:
        measurer.measure(block_item(1), space_file)
        for path in (phone.data / "lpnet").glob("*/*"):
            path.unlink()
        assert measurer.measure(block_item(1), space_file).latency_ms > 0


@pytest.mark.parametrize(
    ("faulty", "message"),
    [
        ("echo INFO: nothing to see", "0 lines of figures"),
        ("echo broken model >&2; exit 3", "exit status 3: broken model"),
        ("echo terminating: std::bad_alloc >&2; kill -ABRT $$", "does not fit in memory"),
        ("kill -SEGV $$", "crashed on the phone with SIGSEGV"),
        ("kill -KILL $$", "killed on the phone by something else"),
    ],
)
def test_a_program_that_fails_is_said_so(
    measured: Callable[..., Measurer],
    tmp_path: Path,
    block_item: Callable[[int], Item],
    space_file: Path,
    faulty: str,
    message: str,
) -> None:
    pytest.importorskip("ai_edge_litert")
    with (
        measured(program(tmp_path, faulty)) as measurer,
        pytest.raises(MeasureFailed, match=message),
    ):
        measurer.measure(block_item(1), space_file)


@pytest.mark.parametrize("redirect", ["", ">&2"])
def test_flags_that_the_program_does_not_know_are_refused(
    measured: Callable[..., Measurer],
    runner: Program,
    tmp_path: Path,
    block_item: Callable[[int], Item],
    space_file: Path,
    monkeypatch: pytest.MonkeyPatch,
    redirect: str,
) -> None:
    """It warns on either output, and goes on as if all were well."""
    if redirect:
        warning = "echo WARN: Unconsumed cmdline flags: --newer=1"
        binary = program(tmp_path, f"{warning} {redirect}")
    else:
        binary = runner
        flags = visits.flags
        monkeypatch.setattr(visits, "flags", lambda *args: f"{flags(*args)} --newer=1")
    with (
        measured(binary) as measurer,
        pytest.raises(MeasureFailed, match="does not know --newer=1"),
    ):
        measurer.measure(block_item(1), space_file)


@pytest.mark.parametrize("timeout_s", [2, 0.3])
def test_a_program_that_hangs_is_killed_on_the_phone(
    phone: Phone,
    measured: Callable[..., Measurer],
    tmp_path: Path,
    block_item: Callable[[int], Item],
    space_file: Path,
    timeout_s: float,
) -> None:
    pytest.importorskip("ai_edge_litert")
    hanging = program(tmp_path, "exec sleep 654321")
    with measured(hanging, workload_timeout_s=timeout_s) as measurer:
        with pytest.raises(MeasureFailed, match=f"no result after {timeout_s} s and was killed"):
            measurer.measure(block_item(1), space_file)
        assert phone.runs("sleep 654321") == []


def test_nothing_goes_on_there_when_the_agent_ends(
    phone: Phone,
    measured: Callable[..., Measurer],
    tmp_path: Path,
    stop: Stop,
    block_item: Callable[[int], Item],
    space_file: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("ai_edge_litert")
    monkeypatch.setattr("lpnet_agent.devices.adb.shell._GRACE_S", 0.2)
    hanging = program(tmp_path, 'while :; do sleep 1; done; echo "$@"')

    def end_once_it_runs() -> None:
        until(lambda: bool(phone.runs("--graph=")), "it runs")
        stop.set()

    with measured(hanging, workload_timeout_s=50) as measurer:
        watcher = threading.Thread(target=end_once_it_runs)
        watcher.start()
        with pytest.raises(Interrupted):
            measurer.measure(block_item(1), space_file)
        watcher.join()
        until(lambda: phone.runs("--graph=") == [], "it is gone")


def test_a_program_for_another_machine_is_refused_at_once(
    measured: Callable[..., Measurer], tmp_path: Path
) -> None:
    pytest.importorskip("ai_edge_litert")
    content = b"\x7fELF\x02\x01\x01" + bytes(57)
    path = tmp_path / "other"
    path.write_bytes(content)
    other = Program(path, hashlib.sha256(content).hexdigest())
    with pytest.raises(SetupError, match="has to be built for Android and for the ABI x86_64"):
        measured(other)


def test_what_a_target_on_a_phone_is(
    phone: Phone, runner: Program, stop: Stop, tmp_path: Path
) -> None:
    config = settings(phone, runner, state_dir=tmp_path, threads=1)
    with open_phone(config, stop) as device, device.measurer(stop) as measurer:
        target = device.target(measurer.session_info)
        cluster = device.cluster
        assert device.name == "linux-phone"
        assert device.facts.cpu == "Tests T1000"
        assert device.facts.os == "Android 14 (API 34)"
    ending = "" if cluster.name == "all" else f"-{cluster.name}"
    assert target.name == f"linux-phone-litert-cpu-fp32-t1{ending}"
    assert (target.runtime, target.runtime_version, target.provider) == ("litert", None, "cpu")
    assert target.cores == cluster.cores
    assert target.clock_policy == "schedutil"
    assert target.options == {"delegate": "xnnpack", "benchmark_model": runner.sha256[:12]}
    assert (target.power_mode, target.driver, target.duty) == (None, None, "sustained")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"benchmark_model_sha256": "0" * 64}, "not the expected benchmark_model"),
        ({"precision": "int8"}, "--precision int8: phones .* only be measured with fp32"),
        ({"runtime": "openvino"}, "--runtime openvino: phones .* only be measured with litert"),
        ({"cluster": "huge"}, "--cluster huge: this phone has"),
        ({"threads": 500}, "threads must be at most .* got 500"),
        ({"max_temperature_c": 30, "min_battery_pct": 20}, None),
    ],
)
def test_what_cannot_be_met_is_refused_before_anything_runs(
    phone: Phone,
    runner: Program,
    stop: Stop,
    tmp_path: Path,
    changes: dict[str, object],
    message: str | None,
) -> None:
    config = settings(phone, runner, state_dir=tmp_path, **changes)
    if message is None:
        with open_phone(config, stop):
            return
    with pytest.raises(SetupError, match=message), open_phone(config, stop):
        pass
    assert names(phone) == set()


def test_the_owners_limits_are_those_of_the_phone(
    phone: Phone, runner: Program, stop: Stop, tmp_path: Path
) -> None:
    config = settings(phone, runner, state_dir=tmp_path, min_battery_pct=80)
    with open_phone(config, stop) as device:
        now = datetime.now(UTC)
        assert device.owner.refusal(now) is None
        original = (phone.services / "battery").read_text()
        (phone.services / "battery").write_text(original.replace("level: 84", "level: 42"))
        refusal = device.owner.refusal(now + timedelta(minutes=1))
        (phone.services / "battery").write_text(original)
        assert refusal is not None
        assert "battery is low: 42%" in refusal.reason
