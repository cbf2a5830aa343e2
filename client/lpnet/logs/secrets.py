"""Secrets are taken out of a line before it is written, wherever in it they are."""

from __future__ import annotations

import re

_GONE = "***"
# Of a lease enough stays to find its lines again, and not enough to act for its holder.
_LEASE = re.compile(r"(lease-[0-9a-f]{6})[0-9a-f]{18}")
_REPLACED = (
    (_LEASE, r"\1"),
    (re.compile(r"(?i)\b(bearer|basic)\s+(?!\*)[^\s\"',;]+"), rf"\1 {_GONE}"),
    (re.compile(r"\blpnet_[A-Za-z0-9_-]{16,}"), _GONE),
    # A password in a URL: up to the last @ of the word, since it may hold one itself.
    (re.compile(r"(://[^/\s:@\"']*:)[^\s\"']*@"), rf"\1{_GONE}@"),
    (
        re.compile(
            r"(?i)\b(authorization|cookie|password|passwd|secret|token|api[_-]?key)"
            r"(\\?[\"']?\s*[=:]\s*\\?[\"']?)(?!lease-|bearer|basic)[^\s\"'&,;\\}]+"
        ),
        rf"\1\2{_GONE}",
    ),
)


def redacted(text: str) -> str:
    """The text without tokens, passwords and the values of headers that carry them."""
    for pattern, replacement in _REPLACED:
        text = pattern.sub(replacement, text)
    return text


def lease_id(token: str) -> str:
    """What a log may say of a lease's token."""
    return _LEASE.sub(r"\1", token)
