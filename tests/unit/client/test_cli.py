"""The `lpnet` command without a server: help, wrong input, and what it must not import."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from tests.harness.in_process import invoke

import lpnet as library
from lpnet.cli.main import app
from lpnet.installation import install_command

COMMANDS = (
    "demo",
    "devices",
    "targets",
    "table",
    "report",
    "sentinels",
    "clear",
    "space",
    "fast",
    "profile",
    "train",
    "study",
    "measure",
    "predict",
    "import",
    "export",
)


URL = {"LPNET_URL": "http://127.0.0.1:9"}


def lpnet(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **URL, "COLUMNS": "200"}
    return subprocess.run(
        [sys.executable, "-c", "from lpnet.cli.main import app; app()", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def test_help_lists_every_command() -> None:
    done = lpnet("--help")
    assert done.returncode == 0
    for command in COMMANDS:
        assert command in done.stdout


@pytest.mark.parametrize("command", ["profile", "import", "demo"])
def test_every_option_of_a_command_is_explained(command: str) -> None:
    done = lpnet(command, "--help")
    assert done.returncode == 0
    options = [line for line in done.stdout.splitlines() if " --" in line]
    assert options
    for line in options:
        assert len(line.split()) > 3, line


def test_no_server_is_one_line_and_status_one() -> None:
    done = lpnet("targets", "--json")
    assert done.returncode == 1
    assert done.stdout == ""
    assert "127.0.0.1:9" in done.stderr
    assert "Traceback" not in done.stderr


def test_what_is_no_space_is_named() -> None:
    done = lpnet("predict", "t", "no_such_net")
    assert done.returncode == 1
    assert "no_such_net" in done.stderr
    assert "mobilenet_v2" in done.stderr


def test_wrong_widths_are_named_before_the_server_is_asked() -> None:
    command = ("predict", "t", "resnet20", "--widths", '{"conv1": 99}')
    done = invoke(app, *command, environment=URL)
    assert done.exit_code == 1
    assert "conv1" in done.stderr
    assert "127.0.0.1" not in done.stderr


def test_help_imports_neither_numpy_nor_a_runtime_nor_the_service() -> None:
    code = (
        "import sys, lpnet.cli.main, lpnet_demo.command;"
        "modules = ('numpy', 'torch', 'onnx', 'onnxruntime', 'fastapi', 'lpnet_service');"
        "print([module for module in modules if module in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_demo_without_the_service_names_the_missing_extra() -> None:
    code = (
        "import sys; sys.modules['fastapi'] = None; sys.modules['lpnet_service'] = None;"
        "from lpnet.cli.main import app; app(['demo'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert install_command("", "lpnet-service") in done.stderr
    assert "Traceback" not in done.stderr


def test_importing_lpnet_or_its_command_takes_neither_torch_nor_onnx() -> None:
    code = (
        "import sys, lpnet, lpnet.cli;"
        "print([m for m in ('torch', 'onnx', 'onnxruntime', 'fastapi') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_all_public_names_resolve() -> None:
    for name in library.__all__:
        assert getattr(library, name) is not None
