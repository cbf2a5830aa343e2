"""A service that is older than this agent."""

from __future__ import annotations

from lpnet.errors import BadRequest

# What its schemas say of a field that they have not, and of a value that they do not allow. What
# an agent sends has passed the same schemas here, as this version has them.
_UNKNOWN = ("Extra inputs are not permitted", "Input should be ")
WORDS = "the service is older than this agent: upgrade it"


def is_older(error: BadRequest) -> bool:
    """Whether a service refuses what this version of the agent has learned to say since: it will
    take it once it is upgraded."""
    return any(str(fault.get("reason", "")).startswith(_UNKNOWN) for fault in error.errors)
