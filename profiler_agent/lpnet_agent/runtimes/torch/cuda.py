"""A CUDA device's clock, and its level-2 cache."""

from __future__ import annotations

import torch

from lpnet_agent.errors import RuntimeFailed

# Of the cache: lines that a write finds there already push nothing out.
_TIMES = 2


class CudaClock:
    """See device_session.DeviceClock: events on the current stream."""

    def mark(self) -> torch.cuda.Event:
        event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        event.record()
        return event

    def wait(self) -> None:
        torch.cuda.synchronize()

    def between(self, start: torch.cuda.Event, end: torch.cuda.Event) -> float:
        return float(start.elapsed_time(end))


class L2:
    """The level-2 cache of a device, and what it takes to fill it with something else."""

    def __init__(self, device: torch.device) -> None:
        """Raises RuntimeFailed where the device does not say how large it is."""
        size = getattr(torch.cuda.get_device_properties(device), "L2_cache_size", 0)
        if not size:
            raise RuntimeFailed("l2=cold: this GPU does not say how large its level-2 cache is")
        self._buffer = torch.empty(_TIMES * size, dtype=torch.uint8, device=device)

    def clear(self) -> None:
        """Begin to write over all of it."""
        self._buffer.zero_()
