"""How many examples a property is tried on: `--hypothesis-profile=thorough` has them all."""

from __future__ import annotations

from hypothesis import settings

THOROUGH = 100
QUICK = 25


def examples(count: int) -> settings:
    """`count` examples under the thorough profile, and a share of them under the quick one."""
    return settings(max_examples=max(3, count * settings().max_examples // THOROUGH))
