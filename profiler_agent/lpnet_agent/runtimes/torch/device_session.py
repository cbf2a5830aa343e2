"""A PyTorch module on a device that works beside the host, and has a clock of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import torch

from lpnet_agent.runtimes.graph import Tensor
from lpnet_agent.runtimes.torch.failures import ERRORS, failed
from lpnet_agent.runtimes.torch.session import Forward, Placement, TorchSession


class DeviceClock(Protocol):
    """The clock of a device that does one thing after another."""

    def mark(self) -> Any:
        """Have the device note the time once it has done all that it was given so far."""
        ...

    def wait(self) -> None:
        """Return once the device has done all that it was given."""
        ...

    def between(self, start: Any, end: Any) -> float:
        """Time from one mark to a later one, ms, once the device is past both."""
        ...


class DeviceTorchSession(TorchSession):
    """See base.DeviceTimedSession. `clear` empties the device's cache; None: it stays as it is."""

    def __init__(
        self,
        runtime: str,
        forward: Forward,
        inputs: tuple[Tensor, ...],
        placement: Placement,
        clock: DeviceClock,
        clear: Callable[[], None] | None,
    ) -> None:
        super().__init__(runtime, forward, inputs, placement)
        self._clock = clock
        self._clear = clear

    @property
    def prepares(self) -> bool:
        return self._clear is not None

    def run(self, n: int) -> None:
        forward, given, wait = self._forward, self._given, self._clock.wait
        try:
            with torch.inference_mode():
                for _ in range(n):
                    forward(*given)
                    wait()
        except ERRORS as error:
            raise failed(self._runtime, "run", error) from error

    def prepare(self) -> None:
        if self._clear is None:
            return
        try:
            self._clear()
            self._clock.wait()
        except ERRORS as error:
            raise failed(self._runtime, "run", error) from error

    def device_ms(self) -> float:
        clock = self._clock
        try:
            with torch.inference_mode():
                start = clock.mark()
                self._forward(*self._given)
                end = clock.mark()
            clock.wait()
            return clock.between(start, end)
        except ERRORS as error:
            raise failed(self._runtime, "run", error) from error
