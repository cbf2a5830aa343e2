"""Whether a phone may be measured now: it has to be reachable, and within its owner's limits."""

from __future__ import annotations

from datetime import datetime

from lpnet_agent.devices.adb import mirrored_files
from lpnet_agent.devices.adb.file_store import FileStore
from lpnet_agent.devices.adb.mirrored_files import MirroredFiles
from lpnet_agent.devices.adb.phone import Phone
from lpnet_agent.errors import DeviceUnavailable
from lpnet_agent.owner.owner_rules import OwnerRules
from lpnet_agent.owner.rules import Refusal

# Visits read most of the phone's state. Without one its files are read again after this time.
_FRESH_S = 10.0
_RETRY_AWAY_S = 2.0
_RETRY_FULL_S = 10.0


class PhoneOwner:
    """See OwnerPolicy. A phone that is away or full is refused until it is back or has space."""

    def __init__(
        self, rules: OwnerRules, phone: Phone, files: MirroredFiles, store: FileStore
    ) -> None:
        self._rules = rules
        self._phone = phone
        self._files = files
        self._store = store
        self._read_at: datetime | None = None

    def refusal(self, now: datetime, *, in_job: bool = False) -> Refusal | None:
        """Raises SetupError if another phone has the same serial now."""
        return self._phone_refusal(now) or self._rules.refusal(now, in_job=in_job)

    def add_measuring_time(self, seconds: float) -> None:
        self._rules.add_measuring_time(seconds)

    def _phone_refusal(self, now: datetime) -> Refusal | None:
        try:
            if self._phone.unreachable:
                reason = self._phone.find_problem()
                if reason is not None:
                    return Refusal(reason, _RETRY_AWAY_S, "device")
                self._store.invalidate()
                self._read_at = None
            full = self._store.check_space()
            if full is not None:
                return Refusal(full, _RETRY_FULL_S, "room")
            if self._read_at is None or (now - self._read_at).total_seconds() >= _FRESH_S:
                update_files(self._phone, self._files)
                self._read_at = now
        except DeviceUnavailable as error:
            return Refusal(str(error), _RETRY_AWAY_S, "device")
        return None


def update_files(phone: Phone, files: MirroredFiles) -> None:
    """Fetch the files that change. Raises DeviceUnavailable."""
    result = phone.run(f"echo '@live'; {mirrored_files.LIVE}; echo '@slow'; {mirrored_files.SLOW}")
    live, _, slow = result.out.partition("@slow\n")
    files.update("live", live)
    files.update("slow", slow)
    files.update("counters", phone.run(mirrored_files.COUNTERS).out)
