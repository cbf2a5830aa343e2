"""Whether a service may start as asked: on loopback without tokens, elsewhere only with them."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from lpnet_service.errors import SetupError
from lpnet_service.services.access import tokens
from lpnet_service.services.shared.context import Context
from lpnet_service.settings import Settings

OPEN = "no tokens are asked for: whoever is on this machine may do everything"
CLOSED = "a token is asked for"


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    try:
        return host.lower() == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def settled(settings: Settings, hosts: Iterable[str]) -> Settings:
    """The settings of a service that listens on these addresses: `auto` asks for tokens on any
    that is not loopback. Every process that answers requests decides by its own addresses."""
    if settings.tokens_required or all(is_loopback(host) for host in hosts):
        return settings
    return settings.model_copy(update={"tokens": "required"})


def check(ctx: Context, host: str) -> str:
    """In a line, who may do what in a service on this address.

    Raises SetupError where tokens are asked for, and none is stored that lets anybody in.
    """
    if not settled(ctx.settings, [host]).tokens_required:
        return OPEN
    if not tokens.any_usable(ctx):
        raise SetupError(
            f"on {host} this service asks for tokens, and there is none yet that would let "
            "anybody in. Make one: lpnet-service token create --name me --scope admin"
        )
    return CLOSED
