"""Union-find over channel labels, whole arrays at a time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.int64]
CONSTANT = 0


class Classes:
    """Labels in classes whose channels are removed together. Label 0 is that of channels which
    always stay; a frozen class stays too, and knows the event that froze it."""

    def __init__(self) -> None:
        self._parent: Labels = np.zeros(1024, dtype=np.int64)
        self._event: Labels = np.full(1024, -1, dtype=np.int64)
        self._event[CONSTANT] = 0
        self._count = 1

    def open(self, shape: int | tuple[int, ...]) -> Labels:
        """New labels, each in a class of its own."""
        count = int(np.prod(shape))
        stop = self._count + count
        while stop > len(self._parent):
            more = len(self._parent)
            self._parent = np.concatenate((self._parent, np.zeros(more, dtype=np.int64)))
            self._event = np.concatenate((self._event, np.full(more, -1, dtype=np.int64)))
        labels = np.arange(self._count, stop, dtype=np.int64)
        self._parent[labels] = labels
        self._count = stop
        return labels.reshape(shape)

    def roots(self, labels: Labels) -> Labels:
        """The smallest label of each label's class."""
        root = self._parent[labels]
        while True:
            above = self._parent[root]
            if np.array_equal(above, root):
                self._parent[labels] = root
                return root
            root = above

    def unite(self, left: Labels, right: Labels) -> None:
        """Merge the classes of labels position by position. The arrays broadcast."""
        left, right = (part.reshape(-1) for part in np.broadcast_arrays(left, right))
        while True:
            a, b = self.roots(left), self.roots(right)
            differ = a != b
            if not differ.any():
                return
            low, high = np.minimum(a, b)[differ], np.maximum(a, b)[differ]
            self._inherit(low, high)
            # Of several parents for a class a single one is written; the next round merges others.
            self._parent[high] = low

    def freeze(self, labels: Labels, event: int) -> int:
        """Keep the classes of these labels; the number of classes that were free before."""
        roots = np.unique(self.roots(labels.reshape(-1)))
        free = roots[self._event[roots] < 0]
        self._event[free] = event
        return len(free)

    def events(self, labels: Labels) -> Labels:
        """The event that froze the class of each label, or -1."""
        return self._event[self.roots(labels)]

    def is_frozen(self, labels: Labels) -> NDArray[np.bool_]:
        frozen: NDArray[np.bool_] = self.events(labels) >= 0
        return frozen

    def _inherit(self, low: Labels, high: Labels) -> None:
        # A frozen class freezes what merges with it.
        events = self._event[high]
        frozen = (events >= 0) & (self._event[low] < 0)
        self._event[low[frozen]] = events[frozen]

    @property
    def size(self) -> int:
        """Number of labels, with the constant one."""
        return self._count
