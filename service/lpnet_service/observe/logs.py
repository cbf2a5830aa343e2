"""The logs of a process of the service, as the environment asks for them."""

from __future__ import annotations

import os
from typing import cast, get_args

from lpnet.logs.setup import Form, Level, configure
from lpnet_service.errors import SetupError


def log_to_stderr() -> None:
    """Send the logs of this process to its standard error, as LPNET_LOG_FORMAT and LPNET_LOG_LEVEL
    say. Raises SetupError for a value that they cannot have.

    They are read before other settings: what is wrong with those may have to be logged.
    """
    form = _choice("LPNET_LOG_FORMAT", get_args(Form), "console")
    level = _choice("LPNET_LOG_LEVEL", get_args(Level), "info")
    configure(cast(Form, form), cast(Level, level))


def _choice(variable: str, choices: tuple[str, ...], default: str) -> str:
    value = os.environ.get(variable, default).lower()
    if value not in choices:
        raise SetupError(f"{variable}: {value!r} is none of {', '.join(choices)}")
    return value
