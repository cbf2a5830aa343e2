"""How many examples a property is tried on: `--hypothesis-profile=thorough` has them all."""

from __future__ import annotations

from typing import Any

from hypothesis import settings

THOROUGH = 100
QUICK = 25
_MIN = 3


def examples(count: int, **others: Any) -> settings:
    """`count` examples under the thorough profile and a share of them under the quick one, with
    `others` of hypothesis' settings."""
    share = settings().max_examples / THOROUGH
    return settings(max_examples=max(_MIN, round(count * share)), **others)
