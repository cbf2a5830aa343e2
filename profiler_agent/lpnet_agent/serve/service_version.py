"""Detection of a service that is older than this agent."""

from __future__ import annotations

from lpnet.errors import BadRequest

# How pydantic rejects a field or a value that a schema does not have. Everything that an agent
# sends is valid for the schemas of its own version, so the service's must be older.
_UNKNOWN = ("Extra inputs are not permitted", "Input should be ")
OLDER_SERVICE = "the service is older than this agent: upgrade it"


def is_older_service(error: BadRequest) -> bool:
    """Whether the service rejects a field or value that only newer versions know.

    It will accept the request once it is upgraded.
    """
    return any(str(fault.get("reason", "")).startswith(_UNKNOWN) for fault in error.errors)
