"""PyTorch with `torch.compile`, which generates kernels for each network."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys

import torch
from torch import fx

from lpnet_agent.errors import RuntimeFailed
from lpnet_agent.runtimes.base import Provider, Runtime, RuntimeConfig
from lpnet_agent.runtimes.options import OptionValues
from lpnet_agent.runtimes.torch import support
from lpnet_agent.runtimes.torch.runtime import TorchRuntime
from lpnet_agent.runtimes.torch.session import Forward, TorchSession

NAME = "torch-compile"
_OPTIONS: dict[str, OptionValues] = {
    "cpu": {"mode": ("default",)},
    "cuda": {"mode": ("default", "reduce-overhead", "max-autotune")},
}


def providers() -> tuple[Provider, ...]:
    return support.cpu(_no_cpp()), support.cuda(_no_triton())


def create(config: RuntimeConfig) -> Runtime:
    return TorchCompile(config)


class TorchCompile(TorchRuntime):
    """Compiles each network for its shapes, as a single graph, while it is loaded. A recompilation
    or a fallback to eager mode, which PyTorch may do silently, is an error."""

    def __init__(self, config: RuntimeConfig) -> None:
        super().__init__(NAME, config, _OPTIONS[config.provider])
        torch._dynamo.config.error_on_recompile = True
        # Otherwise Triton's pool of compilers keeps starting and waiting during timing.
        os.environ["TORCH_WARM_POOL"] = "0"
        if config.provider == "cuda":
            from torch._inductor import config as inductor_config

            inductor_config.compile_threads = 1

    def forward(self, module: fx.GraphModule) -> Forward:
        # PyTorch caches a few compiled versions per code object. Every module here has code of its
        # own for `forward`, but all share that of `__call__`.
        forward: Forward = torch.compile(
            module.forward, fullgraph=True, dynamic=False, mode=self._options["mode"]
        )
        return forward

    def settle(self, session: TorchSession) -> None:
        before = _compiled_graphs()
        super().settle(session)
        if _compiled_graphs() != before + 1:
            # For example because of TORCH_COMPILE_DISABLE.
            raise RuntimeFailed(f"{NAME} cannot load the network: PyTorch did not compile it")


def _compiled_graphs() -> int:
    return torch._dynamo.utils.counters["stats"]["unique_graphs"]


def _no_cpp() -> str | None:
    """Why nothing can be compiled for a CPU here, or None. PyTorch uses only this compiler."""
    compiler = os.environ.get("CXX", "clang++" if sys.platform == "darwin" else "g++")
    if shutil.which(compiler) is None:
        return f"the C++ compiler {compiler!r} is missing: install it, or name another in CXX"
    return None


def _no_triton() -> str | None:
    return None if importlib.util.find_spec("triton") else "Triton is not installed"
