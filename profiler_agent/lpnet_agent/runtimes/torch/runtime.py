"""What PyTorch does alike whether it compiles or not."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Mapping
from typing import Any

import torch
from torch import fx

from lpnet_agent.runtimes.base import InferenceSession, RuntimeConfig, RuntimeInfo
from lpnet_agent.runtimes.graph import Tensor, read_network
from lpnet_agent.runtimes.options import chosen
from lpnet_agent.runtimes.torch import cuda
from lpnet_agent.runtimes.torch.device_session import DeviceTorchSession
from lpnet_agent.runtimes.torch.failures import ERRORS, failed
from lpnet_agent.runtimes.torch.network import to_module
from lpnet_agent.runtimes.torch.session import Forward, Placement, TorchSession

OptionValues = Mapping[str, tuple[str, ...]]
_DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
# PyTorch's own choice first in each.
_OPTIONS: OptionValues = {"channels_last": ("0", "1")}
_CUDA_OPTIONS: OptionValues = {
    "tf32_conv": ("1", "0"),
    "tf32_matmul": ("0", "1"),
    "cudnn_benchmark": ("0", "1"),
    # What of its input and weights an inference finds in the GPU's cache: all that the one before
    # left there, or nothing.
    "l2": ("warm", "cold"),
}
_SWITCHES = {"0": False, "1": True}
# The first inference compiles, allocates and starts threads, the second may record a CUDA graph;
# from the third on they are alike.
_UNTIL_STEADY = 3
# There cuDNN chooses algorithms, and may do so again as its memory fills.
_UNTIL_STEADY_CUDA = 10


class TorchRuntime:
    """Modules in inference mode, on `threads` threads of a CPU or on a GPU.

    Threads, TF32 and cuDNN's settings are those of the whole process: one choice a process.
    """

    def __init__(self, name: str, choice: RuntimeConfig, more: OptionValues) -> None:
        """`more`: options beside those that all have. Raises BadSetup for one that is unknown."""
        self._name = name
        self._choice = choice
        self._on_gpu = choice.provider == "cuda"
        known = {**_OPTIONS, **(_CUDA_OPTIONS if self._on_gpu else {}), **more}
        self._options, variant = chosen(name, choice.options, known)
        self._variant = variant.replace("channelslast", "nhwc").replace("cold", "l2cold")
        torch.set_num_threads(choice.threads)
        # Nothing runs beside a forward. Only the first call in a process takes effect.
        with contextlib.suppress(RuntimeError):
            torch.set_num_interop_threads(1)
        self._l2: cuda.L2 | None = None
        if self._on_gpu:
            _set_cuda(self._options)

    def describe(self) -> RuntimeInfo:
        options: dict[str, Any] = {
            name: _SWITCHES.get(value, value) for name, value in self._options.items()
        }
        options["inference_mode"] = True
        options["inter_op_threads"] = torch.get_num_interop_threads()
        if self._on_gpu:
            options["cuda"] = torch.version.cuda
            options["cudnn"] = torch.backends.cudnn.version()  # type: ignore[no-untyped-call]
        return RuntimeInfo(
            name=self._name,
            version=str(torch.__version__),
            provider=self._choice.provider,
            precision=self._choice.precision,
            threads=self._choice.threads,
            options=options,
            variant=self._variant,
        )

    @property
    def pools_memory(self) -> bool:
        """See base.PoolsMemory."""
        return True

    def load(self, model: bytes) -> InferenceSession:
        # Modules refer to themselves in circles: dropped ones would stay in memory beside this.
        gc.collect()
        try:
            network = read_network(model, self._name)
            module = to_module(network, self._name)
            placement = self._placement()
            placement.put_module(module)
            session = self._session(self.forward(module), network.inputs, placement)
        except ERRORS as error:
            raise failed(self._name, "load", error) from error
        self.settle(session)
        return session

    def forward(self, module: fx.GraphModule) -> Forward:
        """What a session calls to run a module."""
        return module

    def settle(self, session: InferenceSession) -> None:
        """Run a new session until all is done that is done once."""
        session.run(_UNTIL_STEADY_CUDA if self._on_gpu else _UNTIL_STEADY)

    def _session(
        self, forward: Forward, inputs: tuple[Tensor, ...], placement: Placement
    ) -> TorchSession:
        if not self._on_gpu:
            return TorchSession(self._name, forward, inputs, placement)
        if self._l2 is None and self._options["l2"] == "cold":
            self._l2 = cuda.L2(placement.device)
        clear = None if self._l2 is None else self._l2.clear
        clock = cuda.CudaClock()
        return DeviceTorchSession(self._name, forward, inputs, placement, clock, clear)

    def _placement(self) -> Placement:
        return Placement(
            torch.device(self._choice.provider),
            _DTYPES[self._choice.precision],
            self._options["channels_last"] == "1",
        )


def _set_cuda(options: Mapping[str, str]) -> None:
    torch.backends.cudnn.allow_tf32 = options["tf32_conv"] == "1"
    torch.set_float32_matmul_precision("high" if options["tf32_matmul"] == "1" else "highest")
    torch.backends.cudnn.benchmark = options["cudnn_benchmark"] == "1"
