"""The clock and the level-2 cache of a CUDA device."""

from __future__ import annotations

import torch

from lpnet_agent.errors import RuntimeFailed

# As a multiple of the cache: writing to lines that are already in it evicts nothing.
_BUFFER_FACTOR = 2


class CudaClock:
    """See device_session.DeviceClock; uses events on the current stream."""

    def mark(self) -> torch.cuda.Event:
        event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        event.record()
        return event

    def wait(self) -> None:
        torch.cuda.synchronize()

    def between(self, start: torch.cuda.Event, end: torch.cuda.Event) -> float:
        return float(start.elapsed_time(end))


class L2Cache:
    """The level-2 cache of a device, and a buffer that fills it."""

    def __init__(self, device: torch.device) -> None:
        """Raises RuntimeFailed if the device does not report the size of its cache."""
        size = getattr(torch.cuda.get_device_properties(device), "L2_cache_size", 0)
        if not size:
            raise RuntimeFailed("l2=cold: this GPU does not report the size of its level-2 cache")
        self._buffer = torch.empty(_BUFFER_FACTOR * size, dtype=torch.uint8, device=device)

    def clear(self) -> None:
        self._buffer.zero_()
