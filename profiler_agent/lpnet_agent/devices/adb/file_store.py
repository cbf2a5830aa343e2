"""Files on the phone, named by the hash of their content."""

from __future__ import annotations

import hashlib
import platform
from collections import OrderedDict
from pathlib import Path

import structlog

from lpnet_agent.devices.adb.binary import Binary
from lpnet_agent.devices.adb.phone import COMMAND_TIMEOUT_S, Phone
from lpnet_agent.devices.adb.shell import CommandResult
from lpnet_agent.errors import DeviceUnavailable, MeasureFailed

log = structlog.get_logger()

_FOLDER = "/data/local/tmp/lpnet"
# These many digits of a hash are enough to tell the agents of one phone apart.
_SHORT = 12
_SUFFIX = ".tflite"

# Networks are kept for their next visit, up to this size and number.
_MAX_BYTES = 256 << 20
_MAX_FILES = 64
# Every cable is faster than this.
_MIN_BYTES_PER_S = 1 << 20
# Left free in addition to the file: on a full phone much more would fail.
_SPARE_KIB = 1024

_DAMAGED = 65
_FULL = "No space left on device"
# Written under another name, and moved once its hash is right.
_WRITE = """mkdir -p {folder} && cd {folder} || exit 1
cat > {name}.part || {{ rm -f {name}.part; exit 1; }}
case $(sha256sum {name}.part) in
{sha256}*) chmod 700 {name}.part && mv {name}.part {name};;
*) rm -f {name}.part; exit {damaged};;
esac"""


class FileStore:
    """The files of an agent on its phone, in a folder of its own because others may use the phone
    too. Networks are limited in number and size; the least recently used are removed first.

    `install` has to be called first. Nothing on the phone changes before it.
    """

    def __init__(self, phone: Phone, program: Binary, state: Path, user: str = "agent") -> None:
        """`state`: the agent's state folder, which need not exist. `user`: distinguishes the users
        of one state folder."""
        owner = f"{platform.node()}:{state.resolve()}:{user}"
        self._phone = phone
        self._program = program
        self._installed = False
        self.folder = f"{_FOLDER}/{hashlib.sha256(owner.encode()).hexdigest()[:_SHORT]}"
        self.program = f"{self.folder}/{program.name}-{program.sha256}"
        self._networks: OrderedDict[str, int] = OrderedDict()
        self._needed_kib = 0

    def close(self) -> None:
        """Remove the folder, if the phone can be reached."""
        self._networks.clear()
        if self._installed:
            # The common folder is removed with the last one in it.
            self._phone.try_run(f"rm -rf {self.folder}; rmdir {_FOLDER}")
            self._installed = False

    def invalidate(self) -> None:
        """Forget what is on the phone, which was away and may have restarted. Kill the program,
        which may still be running."""
        self._networks.clear()
        if self._installed:
            self.kill()

    def kill(self) -> None:
        """Kill the program of this store, but not those of other stores."""
        # The brackets keep the pattern from matching the command that holds it.
        self._phone.try_run(f"pkill -KILL -f '[/]{self.program[1:]} '")

    def __contains__(self, name: str) -> bool:
        return name in self._networks

    def put_network(self, content: bytes) -> str:
        """Write a network unless it is there already; returns the name of its file in `folder`.

        Raises DeviceUnavailable, also if the phone is full, or MeasureFailed.
        """
        name = hashlib.sha256(content).hexdigest() + _SUFFIX
        if name not in self._networks:
            self._evict_for(len(content))
            self._put(name, content)
            self._networks[name] = len(content)
        self._networks.move_to_end(name)
        return name

    def _put(self, name: str, content: bytes) -> None:
        sha256 = hashlib.sha256(content).hexdigest()
        if self._phone.run(f"sha256sum {self.folder}/{name}").out.startswith(sha256):
            return
        result = self._write(name, content, sha256)
        if _FULL in result.err and self._networks:
            self._evict(len(self._networks))
            result = self._write(name, content, sha256)
        if _FULL in result.err:
            self._needed_kib = len(content) // 1024 + _SPARE_KIB
            raise DeviceUnavailable(self._full_message())
        if result.code == _DAMAGED:
            raise MeasureFailed(f"{name} arrived damaged on phone {self._phone.serial}")
        if result.code:
            raise MeasureFailed(
                f"{self.folder}/{name} cannot be written on phone {self._phone.serial}: "
                f"{result.error_line}"
            )

    def install(self) -> None:
        """Write the program. The first call also removes what a killed agent left behind, and
        kills its program. Raises as `put_network` does."""
        if not self._installed:
            self._installed = True
            self.kill()
            self._phone.try_run(f"cd {self.folder} && rm -f *.part *{_SUFFIX}")
        self._put(self.program.rpartition("/")[2], self._program.content)

    def restore(self, missing_network: str) -> None:
        """Forget a network that is missing on the phone, and write the program again, which may be
        missing too. Raises as `put_network` does."""
        self._networks.pop(missing_network, None)
        self.install()

    def check_space(self) -> str | None:
        """Why nothing can be written while the phone is full; None if there is space. Raises
        DeviceUnavailable."""
        if not self._needed_kib:
            return None
        free = free_kib(self._phone)
        if free is not None and free < self._needed_kib:
            return self._full_message()
        self._needed_kib = 0
        return None

    def _full_message(self) -> str:
        return (
            f"phone {self._phone.serial} is full: free {self._needed_kib >> 10} MiB in /data, and "
            "measuring continues"
        )

    def _write(self, name: str, content: bytes, sha256: str) -> CommandResult:
        command = _WRITE.format(folder=self.folder, name=name, sha256=sha256, damaged=_DAMAGED)
        timeout_s = COMMAND_TIMEOUT_S + len(content) / _MIN_BYTES_PER_S
        return self._phone.run(command, stdin=content, timeout_s=timeout_s)

    def _evict_for(self, size: int) -> None:
        sizes = list(self._networks.values())
        count = 0
        while count < len(sizes) and (
            sum(sizes[count:]) + size > _MAX_BYTES or len(sizes) - count >= _MAX_FILES
        ):
            count += 1
        if count:
            self._evict(count)

    def _evict(self, count: int) -> None:
        names = [self._networks.popitem(last=False)[0] for _ in range(count)]
        self._phone.run(f"cd {self.folder} && rm -f {' '.join(names)}")


def free_kib(phone: Phone) -> int | None:
    """Free space for the files, KiB; None if unknown. Raises DeviceUnavailable."""
    result = phone.run("df -kP /data/local/tmp")
    columns = result.out.strip().rpartition("\n")[2].split()
    return int(columns[3]) if len(columns) > 3 and columns[3].isdecimal() else None
