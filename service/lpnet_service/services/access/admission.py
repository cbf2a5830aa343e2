"""Whether a service may start: without tokens only on loopback, elsewhere only with tokens."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from lpnet_service.errors import SetupError
from lpnet_service.services.access import tokens
from lpnet_service.services.shared.context import Context
from lpnet_service.settings import Settings

OPEN = "no tokens needed: everyone on this machine may do everything"
CLOSED = "tokens required"


def is_loopback(host: str) -> bool:
    try:
        return host.lower() == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def effective_settings(settings: Settings, hosts: Iterable[str]) -> Settings:
    """The settings of a process that listens on these addresses. `auto` requires tokens if any
    address is not loopback."""
    if settings.tokens_required or all(is_loopback(host) for host in hosts):
        return settings
    return settings.model_copy(update={"tokens": "required"})


def check(ctx: Context, host: str) -> str:
    """Describe in one line who has access to a service on this address.

    Raises SetupError if tokens are required and no usable token is stored.
    """
    if not effective_settings(ctx.settings, [host]).tokens_required:
        return OPEN
    if not tokens.any_usable(ctx):
        raise SetupError(
            f"on {host} this service requires tokens, and there is no usable one yet. Make one: "
            "lpnet-service token create --name me --scope admin"
        )
    return CLOSED
