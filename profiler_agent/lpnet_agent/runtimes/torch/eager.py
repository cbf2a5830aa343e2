"""PyTorch as it comes: layer after layer."""

from __future__ import annotations

from lpnet_agent.runtimes.base import Provider, Runtime, RuntimeConfig
from lpnet_agent.runtimes.torch import support
from lpnet_agent.runtimes.torch.runtime import TorchRuntime


def providers() -> tuple[Provider, ...]:
    """See base."""
    return support.cpu(), support.cuda()


def make(choice: RuntimeConfig) -> Runtime:
    """See base."""
    return TorchRuntime("torch", choice, {})
