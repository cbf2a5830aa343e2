"""Logs go to standard error: standard output belongs to results."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lpnet.logs import setup

if TYPE_CHECKING:
    from lpnet_agent.settings import Settings


def configure(settings: Settings, verbose: bool = False) -> None:
    """One line per event, as the settings say; `verbose` asks for all of them."""
    setup.configure(settings.log_format, "debug" if verbose else settings.log_level)
