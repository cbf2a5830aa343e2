"""Which benchmark_model may run on a phone."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from lpnet_agent.devices.adb.binary import read_binary
from lpnet_agent.errors import SetupError

CONTENT = b"\x7fELF and so on"
HASH = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "benchmark_model"
    path.write_bytes(CONTENT)
    return path


@pytest.mark.parametrize("sha256", [HASH, HASH.upper(), f" {HASH}\n"])
def test_the_one_that_is_expected(file: Path, sha256: str) -> None:
    binary = read_binary(file, sha256)
    assert (binary.content, binary.sha256, binary.short) == (CONTENT, HASH, HASH[:12])


@pytest.mark.parametrize(
    ("expected", "message"),
    [
        (None, f"SHA256 is not set.*{HASH}"),
        ("0" * 64, f"not the expected benchmark_model.*{HASH}.*{'0' * 64}"),
        ("abc", "must be 64 hexadecimal digits"),
    ],
)
def test_any_other_is_refused(file: Path, expected: str | None, message: str) -> None:
    with pytest.raises(SetupError, match=message):
        read_binary(file, expected)


def test_one_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="LPNET_AGENT_BENCHMARK_MODEL is not set"):
        read_binary(None, HASH)
    with pytest.raises(SetupError, match="nothing: No such file"):
        read_binary(tmp_path / "nothing", HASH)
