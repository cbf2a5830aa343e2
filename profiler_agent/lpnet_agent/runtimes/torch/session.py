"""A PyTorch module that is ready to run, with its input in place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from lpnet_agent.errors import RuntimeFailed
from lpnet_agent.runtimes.base import Array
from lpnet_agent.runtimes.graph import Tensor
from lpnet_agent.runtimes.torch.failures import ERRORS, failed

Forward = Callable[..., Any]


@dataclass(frozen=True)
class Placement:
    """Where tensors are, of what type, and with channels first or last in memory."""

    device: torch.device
    dtype: torch.dtype
    channels_last: bool

    def put(self, array: Array) -> torch.Tensor:
        tensor = torch.tensor(array, device=self.device, dtype=self.dtype)
        if self.channels_last and tensor.dim() == 4:
            return tensor.contiguous(memory_format=torch.channels_last)
        return tensor

    def put_module(self, module: torch.nn.Module) -> None:
        """In place."""
        layout = torch.channels_last if self.channels_last else torch.preserve_format
        module.to(self.device, self.dtype, memory_format=layout)  # type: ignore[call-overload]


class TorchSession:
    """Calls one forward function, in inference mode, on the same input each time."""

    def __init__(
        self, runtime: str, forward: Forward, inputs: tuple[Tensor, ...], placement: Placement
    ) -> None:
        self._runtime = runtime
        self._forward = forward
        self._inputs = inputs
        self._placement = placement
        rng = np.random.default_rng(0)
        self._given = tuple(placement.put(rng.standard_normal(each.shape)) for each in inputs)

    def run(self, n: int) -> None:
        forward, given = self._forward, self._given
        try:
            with torch.inference_mode():
                for _ in range(n):
                    forward(*given)
        except ERRORS as error:
            raise failed(self._runtime, "run", error) from error

    def infer(self, inputs: Mapping[str, Array]) -> tuple[Array, ...]:
        given = self._checked(inputs)
        try:
            # Outside of inference mode, like the input of `run`: to a compiled module a tensor
            # that was made inside is of another kind.
            placed = [self._placement.put(array) for array in given]
            with torch.inference_mode():
                results = self._forward(*placed)
                if isinstance(results, torch.Tensor):
                    results = (results,)
                return tuple(each.float().cpu().contiguous().numpy() for each in results)
        except ERRORS as error:
            raise failed(self._runtime, "run", error) from error

    def _checked(self, inputs: Mapping[str, Array]) -> list[Array]:
        """In the order of the network."""
        known = {each.name: each.shape for each in self._inputs}
        for name, array in inputs.items():
            if name not in known:
                there = ", ".join(map(repr, known))
                raise RuntimeFailed(f"{self._runtime}: no input {name!r}, only {there}")
            if array.shape != known[name]:
                raise RuntimeFailed(
                    f"{self._runtime}: input {name!r} is {array.shape}, not {known[name]}"
                )
        for name in known:
            if name not in inputs:
                raise RuntimeFailed(f"{self._runtime}: input {name!r} is missing")
        return [inputs[name] for name in known]
