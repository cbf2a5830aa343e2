"""What PyTorch raises, as the agent's errors."""

from __future__ import annotations

import torch

from lpnet_agent.errors import OutOfMemory, RuntimeFailed

# Building a layer, compiling and running raise no error of one kind.
ERRORS = (RuntimeError, ValueError, TypeError, OSError, MemoryError)
# Allocators that raise no error of their own: the CPU's, and those of the GPU's libraries.
_NO_ROOM = (
    "DefaultCPUAllocator",
    "out of memory",
    "STATUS_ALLOC_FAILED",
    "could not allocate",
)


def failed(runtime: str, deed: str, error: Exception) -> RuntimeFailed:
    """`deed` is what the runtime was at: load or run."""
    words = f"{runtime} cannot {deed} the network: {error}"
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return OutOfMemory(words)
    if any(word in str(error) for word in _NO_ROOM):
        return OutOfMemory(words)
    return RuntimeFailed(words)
