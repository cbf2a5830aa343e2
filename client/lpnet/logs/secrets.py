"""Removing secrets from log lines."""

from __future__ import annotations

import re

_HIDDEN = "***"
# The part of a lease token that remains finds its lines but cannot be used.
_LEASE = re.compile(r"(lease-[0-9a-f]{6})[0-9a-f]{18}")
_REPLACEMENTS = (
    (_LEASE, r"\1"),
    (re.compile(r"(?i)\b(bearer|basic)\s+(?!\*)[^\s\"',;]+"), rf"\1 {_HIDDEN}"),
    (re.compile(r"\blpnet_[A-Za-z0-9_-]{16,}"), _HIDDEN),
    # A password in a URL ends at the last @, since it may contain one.
    (re.compile(r"(://[^/\s:@\"']*:)[^\s\"']*@"), rf"\1{_HIDDEN}@"),
    (
        re.compile(
            r"(?i)\b(authorization|cookie|password|passwd|secret|token|api[_-]?key)"
            r"(\\?[\"']?\s*[=:]\s*\\?[\"']?)(?!lease-|bearer|basic)[^\s\"'&,;\\}]+"
        ),
        rf"\1\2{_HIDDEN}",
    ),
)


def redact(text: str) -> str:
    for pattern, replacement in _REPLACEMENTS:
        text = pattern.sub(replacement, text)
    return text


def lease_id(token: str) -> str:
    """The part of a lease token that may be logged."""
    return _LEASE.sub(r"\1", token)
