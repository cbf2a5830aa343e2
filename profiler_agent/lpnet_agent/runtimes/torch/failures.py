"""Errors that PyTorch raises, as errors of the agent."""

from __future__ import annotations

import torch

from lpnet_agent.errors import OutOfMemory, RuntimeFailed
from lpnet_agent.runtimes.failures import Action, runtime_error

# Building a layer, compiling and running have no common error class.
ERRORS = (RuntimeError, ValueError, TypeError, IndexError, OSError, MemoryError)
# Messages of the CPU's allocator and the GPU's libraries, whose errors have no class of their own.
_MEMORY_MESSAGES = (
    "defaultcpuallocator",
    "out of memory",
    "status_alloc_failed",
    "could not allocate",
)


def torch_error(runtime: str, action: Action, error: Exception) -> RuntimeFailed:
    failure = runtime_error(runtime, action, error, _MEMORY_MESSAGES)
    return OutOfMemory(str(failure)) if isinstance(error, torch.OutOfMemoryError) else failure
