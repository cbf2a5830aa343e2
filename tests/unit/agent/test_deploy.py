"""The systemd unit that ships with the agent."""

from __future__ import annotations

import configparser
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import lpnet_agent

UNIT = Path(lpnet_agent.__file__).parent / "deploy/lpnet-agent.service"


@pytest.fixture
def unit() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None, strict=True)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read_string(
        # `Environment` may be there more than once, which this parser does not know.
        "\n".join(
            line for line in UNIT.read_text().splitlines() if not line.startswith("Environment=")
        )
    )
    return parser


def test_it_runs_the_agent_that_pip_installs(unit: configparser.ConfigParser) -> None:
    command, *words = unit["Service"]["ExecStart"].split()
    assert (Path(command).name, words) == ("lpnet-agent", ["run"])
    assert unit["Service"]["StateDirectory"] == "lpnet-agent"
    assert "Environment=LPNET_AGENT_STATE_DIR=/var/lib/lpnet-agent\n" in UNIT.read_text()


def test_the_agent_may_end_its_workload_before_it_is_killed(
    unit: configparser.ConfigParser,
) -> None:
    from lpnet_agent.measure.process import CLOSE_TIMEOUT_S, GRACE_S
    from lpnet_agent.settings import Settings

    settings = Settings()
    longest = GRACE_S + CLOSE_TIMEOUT_S + settings.poll_s + settings.request_s
    assert float(unit["Service"]["TimeoutStopSec"].removesuffix("s")) > longest


def test_a_refused_token_is_not_tried_for_ever(unit: configparser.ConfigParser) -> None:
    from lpnet_agent.cli.base import NOT_ALLOWED

    assert unit["Service"]["Restart"] == "on-failure"
    assert unit["Service"]["RestartPreventExitStatus"] == str(NOT_ALLOWED)


def test_nothing_in_it_changes_what_is_measured(unit: configparser.ConfigParser) -> None:
    changing = {"CPUAffinity", "CPUQuota", "AllowedCPUs", "Nice", "CPUWeight", "MemoryMax"}
    hiding = {"ProcSubset", "ProtectProc", "PrivateNetwork"}
    assert not (changing | hiding) & set(unit["Service"])


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_systemd_takes_it(tmp_path: Path) -> None:
    # It looks whether the command is there, so that of this environment stands in.
    command = Path(sys.executable).parent / "lpnet-agent"
    text = UNIT.read_text().replace("/opt/lpnet/bin/lpnet-agent", str(command))
    (tmp_path / UNIT.name).write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", tmp_path / UNIT.name],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
