"""PyTorch as it comes: layer after layer."""

from __future__ import annotations

from lpnet_agent.runtimes.base import Choice, Offer, Runtime
from lpnet_agent.runtimes.torch import devices
from lpnet_agent.runtimes.torch.runtime import TorchRuntime


def offers() -> tuple[Offer, ...]:
    """See base."""
    return devices.cpu(), devices.cuda()


def make(choice: Choice) -> Runtime:
    """See base."""
    return TorchRuntime("torch", choice, {})
