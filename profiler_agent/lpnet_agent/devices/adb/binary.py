"""The `benchmark_model` that runs networks on the phone: a file of this machine that is named, and
known by its hash."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from lpnet_agent.errors import BadSetup

_SETTING = "LPNET_AGENT_BENCHMARK_MODEL"
_HASH = re.compile(r"[0-9a-f]{64}")
# What of a hash is enough to tell two builds apart.
_SHORT = 12


@dataclass(frozen=True)
class Binary:
    """The program, whose hash is the one that was expected."""

    content: bytes
    sha256: str
    name: str = "benchmark_model"

    @property
    def short(self) -> str:
        return self.sha256[:_SHORT]


def read_binary(path: Path | None, expected: str | None) -> Binary:
    """Raises BadSetup, saying what to do, for a file that is not named, cannot be read, or is not
    the one that is expected."""
    if path is None:
        raise BadSetup(
            f"{_SETTING} is not set: it names LiteRT's benchmark_model for the phone (an "
            "android_aarch64 build, most likely); docs/operate/phones.md says where it comes from"
        )
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BadSetup(f"{_SETTING}={path}: {error.strerror}") from error
    found = hashlib.sha256(content).hexdigest()
    if expected is None:
        raise BadSetup(
            f"{_SETTING}_SHA256 is not set: whatever runs on the phone has to be known. The hash "
            f"of {path} is {found}; if that is the one its publisher states, set it"
        )
    wanted = expected.strip().lower()
    if not _HASH.fullmatch(wanted):
        raise BadSetup(f"{_SETTING}_SHA256={expected}: not 64 hexadecimal digits")
    if found != wanted:
        raise BadSetup(
            f"{path} is not the benchmark_model that is expected: its SHA-256 is {found}, and "
            f"{_SETTING}_SHA256 says {wanted}. Get the right file again; only if you replaced it "
            "on purpose, set the new hash (it begins a new epoch of the target)"
        )
    return Binary(content, found)
