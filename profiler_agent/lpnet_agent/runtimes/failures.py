"""Errors that runtimes raise, as errors of the agent."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

from lpnet_agent.errors import OutOfMemory, RuntimeFailed

Action = Literal["load", "run"]


def runtime_error(
    runtime: str, action: Action, error: Exception, memory_messages: Collection[str]
) -> RuntimeFailed:
    """An OutOfMemory for a MemoryError, and for an error that contains one of `memory_messages`
    (lower case); a RuntimeFailed for any other error."""
    message = f"{runtime} cannot {action} the network: {error}"
    text = str(error).lower()
    if isinstance(error, MemoryError) or any(part in text for part in memory_messages):
        return OutOfMemory(message)
    return RuntimeFailed(message)
