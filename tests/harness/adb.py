"""A phone that is a Linux machine: Debian's adbd in namespaces of its own, and an adb server.

The phone has its own network, so that nobody else reaches an adbd that requires no key. Its root
folder looks like Android's as far as lpnet reads it. Its /data is small. The adb server reaches
it by a cable, which a test may pull.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.harness.site import free_port
from tests.harness.wire import Wire

FILES = Path(__file__).parent / "adb_phone"
# Where tools/install-test-packages puts Debian 13's adbd and all that it needs.
DEBIAN13 = Path(os.environ.get("LPNET_TEST_ADBD", "/opt/lpnet-tests/adbd"))

_ADBD = "adbd"
_PORT = 5555
_DATA = "data/local/tmp"
_START_S = 90.0
_CLONE_NEWNET = 0x40000000
# These processes end with the tests, even if the tests are killed.
_END_WITH_TESTS = ("setpriv", "--pdeathsig", "KILL")

# The phone's root is this machine's, except for Android's own folders.
_BOOT = """set -e
root=$1 files=$2 size=$3
mount -t tmpfs -o mode=0755 tmpfs "$root"
for path in /*; do
  case $path in /data | /system | /sys | /tmp) continue ;; esac
  if [ -L "$path" ]; then cp -P "$path" "$root$path"
  elif [ -d "$path" ]; then mkdir -p "$root$path"; mount --rbind "$path" "$root$path"; fi
done
mkdir -p "$root/sys" "$root/system" "$root/data" "$root/tmp"
mount --rbind "$files/system" "$root/system"
mount --rbind "$files/sys" "$root/sys"
mount --bind /tmp "$root/tmp"  # not what is mounted there: this root is
mount -t tmpfs -o size="$size",mode=0755 tmpfs "$root/data"
mkdir -p "$root/data/local/tmp"
ip link set lo up
shift 3
exec chroot "$root" "$@"
"""


class Phone:
    """A phone that is switched on. `data` is its /data/local/tmp, seen from outside."""

    def __init__(self, folder: Path, size: str = "256m") -> None:
        """Skips the test if there is no adbd, or if namespaces are not available."""
        _skip_without_adbd()
        folder.mkdir(parents=True)
        self._folder = folder
        self._files = _make_files(folder / "files")
        self._size = size
        self._log = folder / "adbd.log"
        self.switch_on()
        self.cable = Cable(self.pid)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def serial(self) -> str:
        return f"127.0.0.1:{self.cable.port}"

    @property
    def data(self) -> Path:
        return Path(f"/proc/{self.pid}/root/{_DATA}")

    def set_property(self, name: str, value: str) -> None:
        file = self._files / "system/build.prop"
        lines = [line for line in file.read_text().splitlines() if not line.startswith(f"{name}=")]
        # In place: what is mounted is this file.
        file.write_text("\n".join([*lines, f"{name}={value}"]) + "\n")

    @property
    def services(self) -> Path:
        """The output of `dumpsys`, a file for each service."""
        return self._files / "system/services"

    def switch_on(self) -> None:
        root = self._folder / "root"
        root.mkdir(exist_ok=True)
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(*_END_WITH_TESTS, sys.executable, str(FILES / "without_vsock.py")),
                    *("unshare", "-m", "-n", "sh", "-c", _BOOT, "sh"),
                    *(str(root), str(self._files), self._size, str(DEBIAN13 / _ADBD)),
                ],
                env={"PATH": "/system/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/data"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._wait()

    def switch_off(self) -> None:
        """At once, as by holding its button; what was in /data is lost with it."""
        for pid in self._processes():
            os.kill(pid, signal.SIGKILL)
        self._process.wait()

    def restart(self) -> None:
        self.cable.set("refused")
        self.switch_off()
        self.switch_on()
        self.cable.plug_into(self.pid)
        self.cable.set("open")

    def runs(self, command: str) -> list[int]:
        """Processes of the phone whose command line contains this text."""
        return [pid for pid in self._processes() if command in _command_line(pid)]

    def fill(self) -> None:
        """Write into /data until it is full."""
        with (self.data / "filler").open("ab", buffering=0) as file:
            for size in (1 << 16, 1 << 12, 1):
                try:
                    while True:
                        file.write(b"\0" * size)
                except OSError:
                    continue

    def free(self) -> None:
        (self.data / "filler").unlink()

    def close(self) -> None:
        self.cable.close()
        self.switch_off()

    def _processes(self) -> list[int]:
        """The processes of the phone, which share its network."""
        own = os.readlink(f"/proc/{self.pid}/ns/net")
        pids = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdecimal():
                try:
                    if os.readlink(entry / "ns/net") == own:
                        pids.append(int(entry.name))
                except OSError:
                    continue
        return pids

    def _wait(self) -> None:
        end = time.monotonic() + _START_S
        while not self._listens():
            output = self._log.read_text(errors="replace")[-2000:]
            assert self._process.poll() is None, f"adbd ended: {output}"
            assert time.monotonic() < end, f"adbd does not listen: {output}"
            time.sleep(0.05)

    def _listens(self) -> bool:
        try:
            _connect_inside(self.pid).close()
        except OSError:
            return False
        return True


class Cable(Wire):
    """From a port of this machine to a phone's adbd."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        super().__init__(_PORT)

    def plug_into(self, pid: int) -> None:
        self._pid = pid

    def _reach(self) -> socket.socket:
        return _connect_inside(self._pid)


class AdbServer:
    """Debian's adb server, on a port of its own and with keys of its own."""

    def __init__(self, folder: Path) -> None:
        if shutil.which("adb") is None:
            pytest.skip("no adb client here: tools/install-test-packages installs it")
        folder.mkdir(parents=True)
        self.port = free_port()
        self.environment = {
            "ANDROID_ADB_SERVER_PORT": str(self.port),
            "HOME": str(folder),
            "ADB_MDNS_AUTO_CONNECT": "0",
        }
        self._log = folder / "adb.log"
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*_END_WITH_TESTS, "adb", "-P", str(self.port), "nodaemon", "server"],
                env=os.environ | self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        end = time.monotonic() + _START_S
        while not _listens(self.port):
            assert time.monotonic() < end, f"adb server: {self._log.read_text()}"
            time.sleep(0.05)

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def run(self, *arguments: str, timeout_s: float = 30) -> subprocess.CompletedProcess[str]:
        """Debian's adb client."""
        return subprocess.run(
            ["adb", "-P", str(self.port), *arguments],
            env=os.environ | self.environment,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    def connect(self, phone: Phone) -> None:
        """Connect, and wait until the phone is usable."""
        end = time.monotonic() + _START_S
        while True:
            self.run("connect", phone.serial)
            state = self.run("-s", phone.serial, "get-state")
            if state.stdout.strip() == "device":
                return
            assert time.monotonic() < end, f"adb: {state.stdout}{state.stderr}"
            time.sleep(0.1)


class Stranger:
    """A phone that trusts no computer, because its owner has not tapped "allow": it requests a key
    by adb's protocol and rejects every one."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def serial(self) -> str:
        return f"127.0.0.1:{self.port}"

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                line, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._ask, args=(line,), daemon=True).start()

    def _ask(self, line: socket.socket) -> None:
        token = _message(b"AUTH", 1, 0, os.urandom(20))
        with line, line.makefile("rb") as incoming:
            while head := incoming.read(24):
                command, kind = head[:4], int.from_bytes(head[4:8], "little")
                incoming.read(int.from_bytes(head[12:16], "little"))
                public_key = command == b"AUTH" and kind == 3
                if not public_key:
                    line.sendall(token)


@dataclass(frozen=True)
class Program:
    """A benchmark_model, and its hash."""

    path: Path
    sha256: str

    @property
    def settings(self) -> Mapping[str, str]:
        return {
            "LPNET_AGENT_BENCHMARK_MODEL": str(self.path),
            "LPNET_AGENT_BENCHMARK_MODEL_SHA256": self.sha256,
        }


def program(folder: Path, faulty: str | None = None) -> Program:
    """A working one, or one that runs `faulty` as a shell script if it gets a network."""
    if faulty is None:
        source = (FILES / "benchmark_model.py").read_text()
        text = f"#!{sys.executable}\n{source}"
    else:
        text = f"#!/bin/sh\n[ $# -gt 0 ] || exit 1\n{faulty}\n"
    sha256 = hashlib.sha256(text.encode()).hexdigest()
    path = folder / f"benchmark_model-{sha256[:8]}"
    path.write_text(text)
    return Program(path, sha256)


def _make_files(folder: Path) -> Path:
    """/system and /sys of the phone: Android's commands, and as many cores as there are, of two
    kinds where there are two."""
    system = folder / "system"
    (system / "bin").mkdir(parents=True)
    for name in ("getprop", "dumpsys"):
        shutil.copy(FILES / name, system / "bin" / name)
    shutil.copy(FILES / "build.prop", system / "build.prop")
    shutil.copytree(FILES / "services", system / "services")
    cpus = folder / "sys/devices/system/cpu"
    cores = sorted(os.sched_getaffinity(0))
    little = set(cores[: len(cores) // 2])
    for core in cores:
        _write(cpus / f"cpu{core}/cpu_capacity", "400" if core in little else "1024")
        _write(cpus / f"cpu{core}/cpufreq/scaling_governor", "schedutil")
        _write(cpus / f"cpu{core}/cpufreq/scaling_cur_freq", "1800000")
    listed = ",".join(map(str, cores))
    for name in ("present", "online", "possible"):
        _write(cpus / name, listed)
    return folder


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + "\n")


def _skip_without_adbd() -> None:
    if not (DEBIAN13 / _ADBD).exists():
        pytest.skip(f"no adbd in {DEBIAN13}: tools/install-test-packages puts it there")
    try:
        subprocess.run(
            ["unshare", "-m", "-n", "sh", "-c", "mount -t tmpfs tmpfs /mnt && ip link set lo up"],
            check=True,
            capture_output=True,
        )
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("mount and network namespaces are not available (root, util-linux, iproute2)")


def _connect_inside(pid: int) -> socket.socket:
    """A connection to adbd from within the phone's network: a socket stays in the network in which
    it was made, and a thread may go there alone."""
    results: list[socket.socket | OSError] = []

    def go() -> None:
        try:
            with open(f"/proc/{pid}/ns/net") as space:
                if ctypes.CDLL(None, use_errno=True).setns(space.fileno(), _CLONE_NEWNET):
                    raise OSError(ctypes.get_errno(), "setns")
            results.append(socket.create_connection(("127.0.0.1", _PORT), timeout=5))
        except OSError as error:
            results.append(error)

    thread = threading.Thread(target=go)
    thread.start()
    thread.join()
    if isinstance(results[0], OSError):
        raise results[0]
    results[0].settimeout(None)
    return results[0]


def _command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _message(command: bytes, first: int, second: int, payload: bytes) -> bytes:
    """A message of adb's protocol, version 0x01000001 and before."""
    word = int.from_bytes(command, "little")
    numbers = (word, first, second, len(payload), sum(payload), word ^ 0xFFFFFFFF)
    return b"".join(number.to_bytes(4, "little") for number in numbers) + payload
