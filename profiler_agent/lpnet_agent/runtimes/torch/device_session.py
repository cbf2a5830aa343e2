"""A PyTorch module on a device that works asynchronously and has its own clock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import torch

from lpnet_agent.runtimes.graph import OnnxTensor
from lpnet_agent.runtimes.torch.failures import ERRORS, torch_error
from lpnet_agent.runtimes.torch.session import Forward, Placement, TorchSession


class DeviceClock(Protocol):
    """The clock of a device that executes its work in order."""

    def mark(self) -> Any:
        """Let the device record the time when it has finished all work submitted so far."""
        ...

    def wait(self) -> None:
        """Return when the device has finished all submitted work."""
        ...

    def between(self, start: Any, end: Any) -> float:
        """Time from one mark to a later one, ms; the device has to be past both."""
        ...


class DeviceTorchSession(TorchSession):
    """See base.DeviceTimedSession. `clear` empties the device's cache before an inference; None
    leaves it as it is."""

    def __init__(
        self,
        runtime: str,
        forward: Forward,
        inputs: tuple[OnnxTensor, ...],
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
        forward, inputs, wait = self._forward, self._timed_inputs, self._clock.wait
        try:
            with torch.inference_mode():
                for _ in range(n):
                    forward(*inputs)
                    wait()
        except ERRORS as error:
            raise torch_error(self._runtime, "run", error) from error

    def prepare(self) -> None:
        if self._clear is None:
            return
        try:
            self._clear()
            self._clock.wait()
        except ERRORS as error:
            raise torch_error(self._runtime, "run", error) from error

    def device_ms(self) -> float:
        clock = self._clock
        try:
            with torch.inference_mode():
                start = clock.mark()
                self._forward(*self._timed_inputs)
                end = clock.mark()
            clock.wait()
            return clock.between(start, end)
        except ERRORS as error:
            raise torch_error(self._runtime, "run", error) from error
