"""What eager and compiled PyTorch have in common."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Mapping
from typing import Any

import torch
from torch import fx

from lpnet_agent.runtimes.base import InferenceSession, RuntimeConfig, RuntimeInfo
from lpnet_agent.runtimes.graph import OnnxTensor, read_network
from lpnet_agent.runtimes.options import OptionValues, resolve_options
from lpnet_agent.runtimes.torch import cuda
from lpnet_agent.runtimes.torch.device_session import DeviceTorchSession
from lpnet_agent.runtimes.torch.failures import ERRORS, torch_error
from lpnet_agent.runtimes.torch.network import TYPES, to_module
from lpnet_agent.runtimes.torch.session import Forward, Placement, TorchSession

_DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
_OPTIONS: OptionValues = {"channels_last": ("0", "1")}
_CUDA_OPTIONS: OptionValues = {
    "tf32_conv": ("1", "0"),
    "tf32_matmul": ("0", "1"),
    "cudnn_benchmark": ("0", "1"),
    # Whether the GPU's cache holds data of the previous inference, or is cleared.
    "l2": ("warm", "cold"),
}
_SWITCHES = {"0": False, "1": True}
# The first inference compiles, allocates and starts threads, the second may record a CUDA graph.
_WARMUP_RUNS = 3
# cuDNN selects algorithms, and may do so again as its memory fills.
_WARMUP_RUNS_CUDA = 10


class TorchRuntime:
    """Modules in inference mode, on `threads` threads of a CPU or on a GPU.

    The settings of threads, TF32 and cuDNN apply to the whole process, so a process may only have
    one config.
    """

    def __init__(self, name: str, config: RuntimeConfig, more_options: OptionValues) -> None:
        self._name = name
        self._config = config
        self._on_gpu = config.provider == "cuda"
        allowed = {**_OPTIONS, **(_CUDA_OPTIONS if self._on_gpu else {}), **more_options}
        self._options, variant = resolve_options(name, config.options, allowed)
        self._variant = variant.replace("channelslast", "nhwc").replace("cold", "l2cold")
        torch.set_num_threads(config.threads)
        # Nothing runs in parallel to a forward. Only the first call in a process has an effect.
        with contextlib.suppress(RuntimeError):
            torch.set_num_interop_threads(1)
        self._l2: cuda.L2Cache | None = None
        if self._on_gpu:
            _set_cuda_options(self._options)

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
            provider=self._config.provider,
            precision=self._config.precision,
            threads=self._config.threads,
            options=options,
            variant=self._variant,
        )

    @property
    def pools_memory(self) -> bool:
        return True

    def load(self, model: bytes) -> InferenceSession:
        # Modules hold reference cycles: dropped ones would stay in memory beside this one.
        gc.collect()
        try:
            placement = self._placement()
            network = read_network(model, self._name, types=TYPES)
            module = to_module(network, self._name, placement.dtype)
            placement.move_module(module)
            session = self._create_session(self.forward(module), network.inputs, placement)
        except ERRORS as error:
            raise torch_error(self._name, "load", error) from error
        self.settle(session)
        return session

    def forward(self, module: fx.GraphModule) -> Forward:
        return module

    def settle(self, session: TorchSession) -> None:
        """Run a new session until every inference takes the same time."""
        session.settle(_WARMUP_RUNS_CUDA if self._on_gpu else _WARMUP_RUNS)

    def _create_session(
        self, forward: Forward, inputs: tuple[OnnxTensor, ...], placement: Placement
    ) -> TorchSession:
        if not self._on_gpu:
            return TorchSession(self._name, forward, inputs, placement)
        if self._l2 is None and self._options["l2"] == "cold":
            self._l2 = cuda.L2Cache(placement.device)
        clear = None if self._l2 is None else self._l2.clear
        clock = cuda.CudaClock()
        return DeviceTorchSession(self._name, forward, inputs, placement, clock, clear)

    def _placement(self) -> Placement:
        return Placement(
            torch.device(self._config.provider),
            _DTYPES[self._config.precision],
            self._options["channels_last"] == "1",
        )


def _set_cuda_options(options: Mapping[str, str]) -> None:
    torch.backends.cudnn.allow_tf32 = options["tf32_conv"] == "1"
    torch.set_float32_matmul_precision("high" if options["tf32_matmul"] == "1" else "highest")
    torch.backends.cudnn.benchmark = options["cudnn_benchmark"] == "1"
