"""Workloads that need another visit, and the results of their visits so far."""

from __future__ import annotations

import uuid
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from lpnet_agent.measure.messages import AnyRequest, WorkloadRequest
from lpnet_agent.measure.networks import request_key

# More than a job holds. The oldest belong to a job that was given up.
_MAX_OPEN = 64

Work = TypeVar("Work")


class OpenWorkloads(Generic[Work]):
    """Keeps one `Work` per workload between its visits. If there are too many, it drops the one
    with the oldest last visit. `create` makes a `Work` from the id of its sample."""

    def __init__(self, create: Callable[[str], Work]) -> None:
        self._create = create
        self._works: OrderedDict[str, Work] = OrderedDict()

    def __iter__(self) -> Iterator[Work]:
        """Ordered by their last visit, the oldest first."""
        return iter(self._works.values())

    def get(self, request: AnyRequest) -> Work:
        key = request_key(request)
        if key not in self._works:
            item_id = request.item.id if isinstance(request, WorkloadRequest) else None
            self._works[key] = self._create(item_id or uuid.uuid4().hex)
        self._works.move_to_end(key)
        if len(self._works) > _MAX_OPEN:
            self._works.popitem(last=False)
        return self._works[key]

    def close(self, request: AnyRequest) -> None:
        self._works.pop(request_key(request), None)
