"""What PyTorch can run on here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from lpnet_agent.runtimes.base import Offer

# Instructions for products of bfloat16; without them a CPU converts every one to float32.
_BF16 = ("avx512_bf16", "amx_bf16", "bf16")


def cpu(reason: str | None = None) -> Offer:
    """`reason`: why it cannot be used, where there is one."""
    # Older versions of PyTorch do not tell.
    able: Mapping[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    native = any(able.get(name) for name in _BF16)
    precisions = ("fp32", "bf16") if native else ("fp32",)
    return Offer("cpu", precisions, able.get("cpu_name") or None, reason)


def cuda(reason: str | None = None) -> Offer:
    """The first GPU that is visible. `reason`: why it cannot be used, where there is one."""
    if not torch.backends.cuda.is_built():  # type: ignore[no-untyped-call]
        return Offer("cuda", reason="this build of torch has no CUDA")
    if not torch.cuda.is_available():
        return Offer("cuda", reason="no GPU is visible")
    return Offer("cuda", ("fp32", "fp16"), torch.cuda.get_device_name(), reason)
