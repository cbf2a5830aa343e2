"""PyTorch in eager mode, layer by layer."""

from __future__ import annotations

from lpnet_agent.runtimes.base import Provider, Runtime, RuntimeConfig
from lpnet_agent.runtimes.torch import support
from lpnet_agent.runtimes.torch.runtime import TorchRuntime


def providers() -> tuple[Provider, ...]:
    return support.cpu(), support.cuda()


def create(config: RuntimeConfig) -> Runtime:
    return TorchRuntime("torch", config, {})
