"""Memories of what never changes."""

from __future__ import annotations

import pytest

from lpnet_service.services.shared.cache import Cache


def test_what_was_used_last_is_kept() -> None:
    cache: Cache[str, int] = Cache(2)
    cache.put("a", 1)
    cache.put("b", 2)
    assert cache.find("a") == 1
    cache.put("c", 3)
    assert (cache.find("a"), cache.find("b"), cache.find("c")) == (1, None, 3)
    assert len(cache) == 2


def test_a_value_is_made_once_and_an_error_is_not_kept() -> None:
    cache: Cache[str, int] = Cache(2)

    def fail() -> int:
        raise KeyError("not yet")

    with pytest.raises(KeyError):
        cache.get("a", fail)
    assert cache.get("a", lambda: 1) == 1
    assert cache.get("a", fail) == 1
