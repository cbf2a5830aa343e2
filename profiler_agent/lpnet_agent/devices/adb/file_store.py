"""Files on the phone, named by the hash of what is in them."""

from __future__ import annotations

import hashlib
import platform
from collections import OrderedDict
from pathlib import Path

import structlog

from lpnet_agent.devices.adb.binary import Binary
from lpnet_agent.devices.adb.phone import PATIENCE_S, Phone
from lpnet_agent.devices.adb.shell import CommandResult
from lpnet_agent.errors import DeviceAway, MeasureFailed

log = structlog.get_logger()

_FOLDER = "/data/local/tmp/lpnet"
# What of a hash is enough to tell the agents of one phone apart.
_SHORT = 12
_SUFFIX = ".tflite"

# Networks wait there for their next visit, up to so many bytes and files.
_MOST_BYTES = 256 << 20
_MOST_FILES = 64
# Slower than this no cable is.
_LEAST_BYTES_PER_S = 1 << 20
# Left free beside what is to be written: a phone without any room does not only refuse this.
_SPARE_KIB = 1024

_DAMAGED = 65
_FULL = "No space left on device"
# Written under another name, and only moved once it is known to be whole.
_WRITE = """mkdir -p {folder} && cd {folder} || exit 1
cat > {name}.part || {{ rm -f {name}.part; exit 1; }}
case $(sha256sum {name}.part) in
{sha256}*) chmod 700 {name}.part && mv {name}.part {name};;
*) rm -f {name}.part; exit {damaged};;
esac"""


class FileStore:
    """The files of an agent on its phone, in a folder of its own: others may use the phone too.
    Networks are bounded in number and size: what was used longest ago goes first.

    Nothing is touched there before `install`, which comes first.
    """

    def __init__(self, phone: Phone, program: Binary, state: Path, user: str = "agent") -> None:
        """`state`: the agent's state folder, which need not exist; `user`: who else of that state
        folder has a folder on the phone."""
        owner = f"{platform.node()}:{state.resolve()}:{user}"
        self._phone = phone
        self._program = program
        self._begun = False
        self.folder = f"{_FOLDER}/{hashlib.sha256(owner.encode()).hexdigest()[:_SHORT]}"
        self.program = f"{self.folder}/{program.name}-{program.sha256}"
        self._networks: OrderedDict[str, int] = OrderedDict()
        self._lacking_kib = 0

    def close(self) -> None:
        """Remove everything of its own, as far as the phone is there."""
        self._networks.clear()
        if self._begun:
            # The folder of all goes with the last one in it.
            self._phone.try_to(f"rm -rf {self.folder}; rmdir {_FOLDER}")
            self._begun = False

    def forget(self) -> None:
        """What is there is not known any more: the phone was away, and may have been restarted. If
        it was not, the program may have gone on meanwhile: it is killed."""
        self._networks.clear()
        if self._begun:
            self.kill()

    def kill(self) -> None:
        """End the program of this store where it still runs; others' are left alone."""
        # The brackets keep the pattern from matching the command that holds it.
        self._phone.try_to(f"pkill -KILL -f '[/]{self.program[1:]} '")

    def holds(self, name: str) -> bool:
        """Whether a network is there, as far as is known."""
        return name in self._networks

    def network(self, content: bytes) -> str:
        """Name of a network's file in `folder`, written there if it is not yet. Raises DeviceAway
        (also without room) or MeasureFailed."""
        name = hashlib.sha256(content).hexdigest() + _SUFFIX
        if name not in self._networks:
            self._make_room(len(content))
            self._put(name, content)
            self._networks[name] = len(content)
        self._networks.move_to_end(name)
        return name

    def _put(self, name: str, content: bytes) -> None:
        """Have a file of that content there; its name holds its hash."""
        sha256 = hashlib.sha256(content).hexdigest()
        if self._phone.run(f"sha256sum {self.folder}/{name}").out.startswith(sha256):
            return
        ended = self._write(name, content, sha256)
        if _FULL in ended.err and self._networks:
            self._evict(len(self._networks))
            ended = self._write(name, content, sha256)
        if _FULL in ended.err:
            self._lacking_kib = len(content) // 1024 + _SPARE_KIB
            raise DeviceAway(self._no_room())
        if ended.code == _DAMAGED:
            raise MeasureFailed(f"{name} arrived damaged on phone {self._phone.serial}")
        if ended.code:
            raise MeasureFailed(
                f"{self.folder}/{name} cannot be written on phone {self._phone.serial}: "
                f"{ended.complaint}"
            )

    def install(self) -> None:
        """Have the program there, as `program`. What one left that was killed is cleared away the
        first time, and its program ended. Raises as `network` does."""
        if not self._begun:
            self._begun = True
            self.kill()
            self._phone.try_to(f"cd {self.folder} && rm -f *.part *{_SUFFIX}")
        self._put(self.program.rpartition("/")[2], self._program.content)

    def lost(self, name: str) -> None:
        """That network turned out to be gone, or the program with it: it is put back. Raises as
        `network` does."""
        self._networks.pop(name, None)
        self.install()

    def lacks_room(self) -> str | None:
        """Why nothing can be written now: it is looked at again whether there is room by now.
        None: there is, or was always. Raises DeviceAway."""
        if not self._lacking_kib:
            return None
        free = free_kib(self._phone)
        if free is not None and free < self._lacking_kib:
            return self._no_room()
        self._lacking_kib = 0
        return None

    def _no_room(self) -> str:
        return (
            f"phone {self._phone.serial} has no room in /data: free {self._lacking_kib >> 10} MiB "
            "there, and measuring goes on"
        )

    def _write(self, name: str, content: bytes, sha256: str) -> CommandResult:
        command = _WRITE.format(folder=self.folder, name=name, sha256=sha256, damaged=_DAMAGED)
        timeout_s = PATIENCE_S + len(content) / _LEAST_BYTES_PER_S
        return self._phone.run(command, stdin=content, timeout_s=timeout_s)

    def _make_room(self, size: int) -> None:
        sizes = list(self._networks.values())
        count = 0
        while count < len(sizes) and (
            sum(sizes[count:]) + size > _MOST_BYTES or len(sizes) - count >= _MOST_FILES
        ):
            count += 1
        if count:
            self._evict(count)

    def _evict(self, count: int) -> None:
        """Remove those that were used longest ago."""
        gone = [self._networks.popitem(last=False)[0] for _ in range(count)]
        self._phone.run(f"cd {self.folder} && rm -f {' '.join(gone)}")


def free_kib(phone: Phone) -> int | None:
    """Room where the files go, KiB; None where the phone does not say. Raises DeviceAway."""
    ended = phone.run("df -kP /data/local/tmp")
    words = ended.out.strip().rpartition("\n")[2].split()
    return int(words[3]) if len(words) > 3 and words[3].isdecimal() else None
