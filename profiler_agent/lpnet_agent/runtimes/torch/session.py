"""A PyTorch module that is ready to run, with its input in place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from lpnet_agent.errors import OutOfMemory, RuntimeFailed
from lpnet_agent.runtimes.base import Array
from lpnet_agent.runtimes.filling import Inputs, candidates, random_input
from lpnet_agent.runtimes.graph import OnnxTensor
from lpnet_agent.runtimes.torch.failures import ERRORS, torch_error

Forward = Callable[..., Any]


@dataclass(frozen=True)
class Placement:
    """Device, type and memory layout of tensors."""

    device: torch.device
    dtype: torch.dtype
    channels_last: bool

    def to_tensor(self, array: Array) -> torch.Tensor:
        """Floats get the type of the target, other numbers keep theirs."""
        dtype = self.dtype if np.issubdtype(array.dtype, np.floating) else None
        tensor = torch.tensor(array, device=self.device, dtype=dtype)
        if self.channels_last and tensor.dim() == 4:
            return tensor.contiguous(memory_format=torch.channels_last)
        return tensor

    def move_module(self, module: torch.nn.Module) -> None:
        layout = torch.channels_last if self.channels_last else torch.preserve_format
        module.to(self.device, self.dtype, memory_format=layout)  # type: ignore[call-overload]


class TorchSession:
    """Calls a forward function in inference mode, always on the same input."""

    def __init__(
        self, runtime: str, forward: Forward, inputs: tuple[OnnxTensor, ...], placement: Placement
    ) -> None:
        self._runtime = runtime
        self._forward = forward
        self._inputs = inputs
        self._placement = placement
        rng = np.random.default_rng(0)
        arrays = {t.name: random_input(t.shape, t.dtype, rng) for t in inputs}
        self._choices = candidates(arrays)
        self._set_inputs(next(self._choices))

    def _set_inputs(self, arrays: Inputs) -> None:
        self._timed_inputs = tuple(
            self._placement.to_tensor(arrays[tensor.name]) for tensor in self._inputs
        )

    def settle(self, runs: int) -> None:
        """Run until every inference takes the same time, with the first inputs that the network
        accepts."""
        try:
            self.run(runs)
        except OutOfMemory:
            raise
        except RuntimeFailed as error:
            self._settle_others(runs, error)

    def _settle_others(self, runs: int, error: RuntimeFailed) -> None:
        for choice in self._choices:
            self._set_inputs(choice)
            try:
                self.run(runs)
            except RuntimeFailed:
                continue
            return
        raise error

    def run(self, n: int) -> None:
        forward, inputs = self._forward, self._timed_inputs
        try:
            with torch.inference_mode():
                for _ in range(n):
                    forward(*inputs)
        except ERRORS as error:
            raise torch_error(self._runtime, "run", error) from error

    def infer(self, inputs: Mapping[str, Array]) -> tuple[Array, ...]:
        arrays = self._ordered(inputs)
        try:
            # Outside of inference mode, like the input of `run`: a compiled module distinguishes
            # tensors that were created inside.
            tensors = [self._placement.to_tensor(array) for array in arrays]
            with torch.inference_mode():
                outputs = self._forward(*tensors)
                if isinstance(outputs, torch.Tensor):
                    outputs = (outputs,)
                return tuple(tensor.float().cpu().contiguous().numpy() for tensor in outputs)
        except ERRORS as error:
            raise torch_error(self._runtime, "run", error) from error

    def _ordered(self, inputs: Mapping[str, Array]) -> list[Array]:
        """The inputs in the order and of the types of the network. Raises RuntimeFailed for wrong
        names or shapes."""
        shapes = {tensor.name: tensor.shape for tensor in self._inputs}
        for name, array in inputs.items():
            if name not in shapes:
                names = ", ".join(map(repr, shapes))
                raise RuntimeFailed(f"{self._runtime}: no input {name!r}, only {names}")
            if array.shape != shapes[name]:
                raise RuntimeFailed(
                    f"{self._runtime}: input {name!r} must have shape {shapes[name]}, "
                    f"got {array.shape}"
                )
        for name in shapes:
            if name not in inputs:
                raise RuntimeFailed(f"{self._runtime}: input {name!r} is missing")
        return [inputs[tensor.name].astype(tensor.dtype) for tensor in self._inputs]
