"""PyTorch with `torch.compile`: kernels made for each network."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys

import torch
from torch import fx

from lpnet_agent.errors import RuntimeFailed
from lpnet_agent.runtimes.base import InferenceSession, Provider, Runtime, RuntimeConfig
from lpnet_agent.runtimes.torch import support
from lpnet_agent.runtimes.torch.runtime import OptionValues, TorchRuntime
from lpnet_agent.runtimes.torch.session import Forward

NAME = "torch-compile"
_OPTIONS: dict[str, OptionValues] = {
    "cpu": {"mode": ("default",)},
    "cuda": {"mode": ("default", "reduce-overhead", "max-autotune")},
}


def providers() -> tuple[Provider, ...]:
    """See base."""
    return support.cpu(_no_cpp()), support.cuda(_no_triton())


def make(choice: RuntimeConfig) -> Runtime:
    """See base."""
    return TorchCompile(choice)


class TorchCompile(TorchRuntime):
    """Each network is compiled on its own, for its shapes, as one graph, while it is loaded.

    Compiling again or falling back to eager, which PyTorch does on its own where it may, fails.
    """

    def __init__(self, choice: RuntimeConfig) -> None:
        """Raises BadSetup for an option or value that there is not."""
        super().__init__(NAME, choice, _OPTIONS[choice.provider])
        torch._dynamo.config.error_on_recompile = True
        # Triton's pool of compilers would go on starting and waiting beside what is timed.
        os.environ["TORCH_WARM_POOL"] = "0"
        if choice.provider == "cuda":
            from torch._inductor import config

            config.compile_threads = 1

    def forward(self, module: fx.GraphModule) -> Forward:
        # What is compiled is kept with the code of a function, a few versions of it at most. That
        # of a module's `forward` is its own here, and that of its `__call__` every module's.
        forward: Forward = torch.compile(
            module.forward, fullgraph=True, dynamic=False, mode=self._options["mode"]
        )
        return forward

    def settle(self, session: InferenceSession) -> None:
        before = _compiled()
        super().settle(session)
        if _compiled() != before + 1:
            # TORCH_COMPILE_DISABLE and the like.
            raise RuntimeFailed(f"{NAME} cannot load the network: PyTorch did not compile it")


def _compiled() -> int:
    """Graphs compiled so far in this process."""
    return torch._dynamo.utils.counters["stats"]["unique_graphs"]


def _no_cpp() -> str | None:
    """Why nothing can be compiled for a CPU here. PyTorch looks for this compiler alone."""
    compiler = os.environ.get("CXX", "clang++" if sys.platform == "darwin" else "g++")
    if shutil.which(compiler) is None:
        return f"there is no C++ compiler {compiler!r}: install one, or name it in CXX"
    return None


def _no_triton() -> str | None:
    """Why nothing can be compiled for a GPU here."""
    return None if importlib.util.find_spec("triton") else "Triton is not installed"
