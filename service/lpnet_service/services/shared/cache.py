"""A bounded cache of values that never change."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from threading import Lock
from typing import Generic, TypeVar

from cachetools import LRUCache

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Cache(Generic[Key, Value]):
    """Keeps the `size` values used last, for any number of threads.

    Only for values that are the same in every process and never change, such as a space by its
    hash: nothing is ever invalidated.
    """

    def __init__(self, size: int) -> None:
        self._values: LRUCache[Key, Value] = LRUCache(size)
        self._lock = Lock()

    def get(self, key: Key, make: Callable[[], Value]) -> Value:
        """The value of a key; calls `make`, outside the lock, if it is missing."""
        value = self.find(key)
        if value is None:
            value = make()
            self.put(key, value)
        return value

    def find(self, key: Key) -> Value | None:
        with self._lock:
            return self._values.get(key)

    def put(self, key: Key, value: Value) -> None:
        with self._lock:
            self._values[key] = value

    def __len__(self) -> int:
        return len(self._values)
