"""Options of the commands follow from the settings; what they are is written down here."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin

import pytest
import typer
from typer.testing import CliRunner

from lpnet_agent.main import app
from lpnet_agent.setting_fields import SettingFields
from lpnet_agent.settings import Settings

TARGET = {
    "--adb": "str",
    "--cluster": "str",
    "--threads": "int",
    "--state-dir": "Path",
}
RUNTIME = {
    "--device/--name": "str",
    "--runtime": "str",
    "--provider": "str",
    "--precision": "str",
    "--option": "list[str]",
    "--fps": "float",
}
COMMON = {"--verbose/-v": "bool"}
OPTIONS = {
    "run": TARGET
    | RUNTIME
    | COMMON
    | {
        "--server": "str",
        "--quiet-hours": "list[str]",
        "--max-temperature-c": "float",
        "--min-battery-pct": "float",
        "--on-battery/--mains-only": "bool",
        "--max-share": "float",
        "--max-load": "float",
    },
    "measure": TARGET
    | RUNTIME
    | COMMON
    | {
        "--space": "Path",
        "--onnx": "Path",
        "--out": "Path",
        "--blocks": "int",
        "--networks": "int",
        "--widths": "list[str]",
        "--repeats": "int",
        "--seed": "int",
        "--batch": "int",
        "--shape": "list[str]",
        "--zero-subnormals": "bool",
        "--write-zeroed": "Path",
        "--keep-going": "bool",
        "--force": "bool",
        "--json": "bool",
    },
    "doctor": TARGET | COMMON | {"--server": "str", "--json": "bool"},
    "pause": {"--for": "str", "--until": "str", "--reason": "str", "--state-dir": "Path"},
    "resume": {"--state-dir": "Path"},
    "status": {"--state-dir": "Path", "--json": "bool"},
    "healthy": {"--state-dir": "Path"},
}


def options(name: str, *, hidden: bool) -> dict[str, str]:
    command = typer.main.get_command(app).commands[name]  # type: ignore[attr-defined]
    callbacks = {c.callback.__name__: c.callback for c in app.registered_commands if c.callback}
    parameters = inspect.signature(callbacks[name]).parameters
    return {
        "/".join([*param.opts, *param.secondary_opts]): _type(parameters[param.name].annotation)
        for param in command.params
        if param.hidden == hidden
    }


def _type(annotation: Any) -> str:
    """For example `int` for `Annotated[int | None, ...]`."""
    kind = get_args(annotation)[0]
    kind = next((member for member in get_args(kind) if get_origin(kind) is UnionType), kind)
    return str(kind) if get_origin(kind) else str(kind.__name__)


@pytest.mark.parametrize("command", OPTIONS)
def test_the_options_of_a_command(command: str) -> None:
    assert options(command, hidden=False) == OPTIONS[command]


def test_the_options_that_help_does_not_show() -> None:
    assert set(options("run", hidden=True)) == {"--governor", "--turbo"}
    assert options("doctor", hidden=True) == {"--root": "Path"}


def test_every_setting_is_described_by_a_sentence() -> None:
    for name, field in SettingFields.model_fields.items():
        assert field.description, name
        assert field.description[0].isupper(), name
        assert field.description.endswith("."), name


def test_an_option_overrides_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LPNET_AGENT_STATE_DIR", str(tmp_path / "environment"))
    runner = CliRunner()
    for words, folder in (([], "environment"), (["--state-dir", str(tmp_path / "o")], "o")):
        done = runner.invoke(app, ["status", "--json", *words])
        assert json.loads(done.output)["state_dir"] == str(tmp_path / folder)


@pytest.mark.parametrize("option", ["--governor=performance", "--turbo=off"])
def test_a_removed_option_names_its_replacement(option: str) -> None:
    done = CliRunner(env={"COLUMNS": "200"}).invoke(app, ["run", option])
    assert done.exit_code == 2
    assert "this option was removed" in done.output
    assert "lpnet-agent doctor" in done.output


@pytest.mark.parametrize("name", ["LPNET_AGENT_GOVERNOR", "LPNET_AGENT_TURBO"])
def test_a_removed_variable_names_its_replacement(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "off")
    done = CliRunner().invoke(app, ["status"])
    assert done.exit_code == 1
    assert done.output.startswith(f"error: {name} was removed")
    assert "lpnet-agent doctor" in done.output


def test_a_wrong_value_names_its_setting() -> None:
    done = CliRunner().invoke(app, ["run", "--max-share", "2"])
    assert done.exit_code == 1
    assert done.output.startswith("error: settings: max_share: ")


def test_settings_are_the_described_ones() -> None:
    assert Settings.model_fields.keys() == SettingFields.model_fields.keys()
