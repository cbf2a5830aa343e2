"""The `benchmark_model` that runs on the phone: a local file whose hash the settings give."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from lpnet_agent.errors import SetupError

_SETTING = "LPNET_AGENT_BENCHMARK_MODEL"
_HASH = re.compile(r"[0-9a-f]{64}")
# These many digits of a hash are enough to tell two builds apart.
_SHORT = 12


@dataclass(frozen=True)
class Binary:
    """The program, with the hash that was expected."""

    content: bytes
    sha256: str
    name: str = "benchmark_model"

    @property
    def short(self) -> str:
        return self.sha256[:_SHORT]


def read_binary(path: Path | None, expected: str | None) -> Binary:
    """Raises SetupError if no path or no hash is set, the file cannot be read, or its hash
    differs."""
    if path is None:
        raise SetupError(
            f"{_SETTING} is not set: it must name LiteRT's benchmark_model for the phone, usually "
            "an android_aarch64 build; docs/operate/phones.md says where to get it"
        )
    try:
        content = path.read_bytes()
    except OSError as error:
        raise SetupError(f"{_SETTING}={path}: {error.strerror}") from error
    sha256 = hashlib.sha256(content).hexdigest()
    if expected is None:
        raise SetupError(
            f"{_SETTING}_SHA256 is not set: the program that runs on the phone has to be checked. "
            f"The hash of {path} is {sha256}; set it if the publisher states the same"
        )
    expected_sha256 = expected.strip().lower()
    if not _HASH.fullmatch(expected_sha256):
        raise SetupError(f"{_SETTING}_SHA256 must be 64 hexadecimal digits, got {expected}")
    if sha256 != expected_sha256:
        raise SetupError(
            f"{path} is not the expected benchmark_model: its SHA-256 is {sha256}, and "
            f"{_SETTING}_SHA256 is {expected_sha256}. Get the right file. Only if you replaced it "
            "on purpose, set the new hash, which starts a new epoch of the target"
        )
    return Binary(content, sha256)
