"""What all commands of the three packages have in common: `--version`, and help without gaps."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.metadata import version
from typing import cast

import pytest
import typer
from rich.text import Text
from typer.core import TyperCommand, TyperGroup, TyperOption
from typer.testing import CliRunner

import lpnet.cli.main
import lpnet_agent.main
import lpnet_service.main

APPS = {
    "lpnet": lpnet.cli.main.app,
    "lpnet-agent": lpnet_agent.main.app,
    "lpnet-service": lpnet_service.main.app,
}
Command = TyperCommand | TyperGroup
# So wide that each option has a line of its own.
ENVIRONMENT = {"COLUMNS": "400", "TERMINAL_WIDTH": "400", "NO_COLOR": "1"}


def commands() -> Iterator[tuple[str, tuple[str, ...], Command]]:
    pending: list[tuple[str, tuple[str, ...], Command]] = []
    for name, app in APPS.items():
        pending.append((name, (), cast(Command, typer.main.get_command(app))))
    while pending:
        name, path, command = pending.pop()
        yield name, path, command
        if isinstance(command, TyperGroup):
            for subcommand, child in command.commands.items():
                pending.append((name, (*path, subcommand), cast(Command, child)))


ALL = [pytest.param(*command, id=" ".join((command[0], *command[1]))) for command in commands()]


def help_lines(name: str, path: tuple[str, ...]) -> list[str]:
    result = CliRunner().invoke(APPS[name], [*path, "--help"], env=ENVIRONMENT)
    assert result.exit_code == 0, result.output
    return result.output.splitlines()


@pytest.mark.parametrize("name", APPS)
def test_each_command_prints_its_version(name: str) -> None:
    result = CliRunner().invoke(APPS[name], ["--version"])
    assert result.exit_code == 0
    assert result.output.split()[-1] == version("lpnet")


@pytest.mark.parametrize(("name", "path", "command"), ALL)
def test_help_shows_every_default(name: str, path: tuple[str, ...], command: Command) -> None:
    lines = help_lines(name, path)
    for option in command.params:
        # An option without help text is hidden; a flag that is off has no default to show.
        if not isinstance(option, TyperOption) or option.hidden or option.name == "help":
            continue
        (line,) = (line for line in lines if re.match(rf"[^\w-]*{option.opts[0]}[\s,]", line))
        if option.default not in (None, False, ()):
            assert "[default: " in line or "(default: " in line, line


@pytest.mark.parametrize(("name", "path", "command"), ALL)
def test_help_loses_no_text_to_markup(name: str, path: tuple[str, ...], command: Command) -> None:
    texts = [command.help, *(getattr(param, "help", None) for param in command.params)]
    for text in filter(None, texts):
        assert Text.from_markup(text).plain == text
