"""Logging, to standard error: standard output is for results."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lpnet.logs import setup

if TYPE_CHECKING:
    from lpnet_agent.settings import Settings


def configure(settings: Settings, verbose: bool = False) -> None:
    setup.configure(settings.log_format, "debug" if verbose else settings.log_level)
