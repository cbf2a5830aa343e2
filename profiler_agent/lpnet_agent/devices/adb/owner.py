"""Whether a phone may be measured on now: it has to be there, and its owner's limits are asked of
its own heat and battery."""

from __future__ import annotations

from datetime import datetime

from lpnet_agent.devices.adb import mirrored_files
from lpnet_agent.devices.adb.file_store import FileStore
from lpnet_agent.devices.adb.mirrored_files import MirroredFiles
from lpnet_agent.devices.adb.phone import Phone
from lpnet_agent.errors import DeviceAway
from lpnet_agent.owner.owner_rules import OwnerRules
from lpnet_agent.owner.rules import Refusal

# While it is measured its visits tell that it is there, and most of how it is; after so many
# seconds it is asked.
_FRESH_S = 10.0
_BACK_S = 2.0
_ROOM_S = 10.0


class PhoneOwner:
    """See gate.Asked. What is refused because the phone is away goes on by itself once it is
    back."""

    def __init__(self, owner: OwnerRules, phone: Phone, files: MirroredFiles, store: FileStore) -> None:
        self._owner = owner
        self._phone = phone
        self._files = files
        self._store = store
        self._read_at: datetime | None = None

    def refusal(self, now: datetime, *, in_job: bool = False) -> Refusal | None:
        """Raises BadSetup for another phone under the same serial."""
        away = self._away(now)
        return away or self._owner.refusal(now, in_job=in_job)

    def add_measuring_time(self, seconds: float) -> None:
        self._owner.add_measuring_time(seconds)

    def _away(self, now: datetime) -> Refusal | None:
        try:
            if self._phone.gone:
                reason = self._phone.away()
                if reason is not None:
                    return Refusal(reason, _BACK_S, "device")
                self._store.forget()
                self._read_at = None
            full = self._store.lacks_room()
            if full is not None:
                return Refusal(full, _ROOM_S, "room")
            if self._read_at is None or (now - self._read_at).total_seconds() >= _FRESH_S:
                read(self._phone, self._files)
                self._read_at = now
        except DeviceAway as error:
            return Refusal(str(error), _BACK_S, "device")
        return None


def read(phone: Phone, files: MirroredFiles) -> None:
    """Fetch what changes on it. Raises DeviceAway."""
    ended = phone.run(f"echo '@live'; {mirrored_files.LIVE}; echo '@slow'; {mirrored_files.SLOW}")
    live, _, slow = ended.out.partition("@slow\n")
    files.take("live", live)
    files.take("slow", slow)
    files.take("counters", phone.run(mirrored_files.COUNTERS).out)
