"""The logs of a process of the service, configured by the environment."""

from __future__ import annotations

import os
from typing import cast, get_args

from lpnet.logs.setup import Format, Level, configure
from lpnet_service.errors import SetupError


def log_to_stderr() -> None:
    """Send the logs of this process to its standard error.

    LPNET_LOG_FORMAT and LPNET_LOG_LEVEL configure them. They are read before all other settings,
    whose errors may have to be logged. Raises SetupError for an invalid value.
    """
    form = _choice("LPNET_LOG_FORMAT", get_args(Format), "console")
    level = _choice("LPNET_LOG_LEVEL", get_args(Level), "info")
    configure(cast(Format, form), cast(Level, level))


def _choice(variable: str, choices: tuple[str, ...], default: str) -> str:
    value = os.environ.get(variable, default).lower()
    if value not in choices:
        raise SetupError(f"{variable}: must be one of {', '.join(choices)}, got {value!r}")
    return value
