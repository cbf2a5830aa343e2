"""What PyTorch can run on here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from lpnet_agent.runtimes.base import Provider, without

# Instructions for products of bfloat16; without them a CPU converts every one to float32.
_BF16 = ("avx512_bf16", "amx_bf16", "bf16")
# The same of float16.
_FP16 = ("avx512_fp16", "amx_fp16", "fp16_arith")
_FLOAT = "lpnet quantises into ONNX alone, which PyTorch does not read"
_CONVERTS = "this CPU does not compute in it: PyTorch would convert every number to float32"
_UNTRIED = "never tried: no CPU that computes in it was at hand"


def cpu(reason: str | None = None) -> Provider:
    """`reason`: why it cannot be used, where there is one."""
    # Older versions of PyTorch do not tell.
    able: Mapping[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    native = any(able.get(name) for name in _BF16)
    precisions = ("fp32", "bf16") if native else ("fp32",)
    half = _UNTRIED if any(able.get(name) for name in _FP16) else _CONVERTS
    missing = without(precisions, {"fp16": half, "bf16": _CONVERTS, "int8": _FLOAT})
    return Provider("cpu", precisions, able.get("cpu_name") or None, reason, missing)


def cuda(reason: str | None = None) -> Provider:
    """The first GPU that is visible. `reason`: why it cannot be used, where there is one."""
    if not torch.backends.cuda.is_built():  # type: ignore[no-untyped-call]
        return Provider("cuda", reason="this build of torch has no CUDA")
    if not torch.cuda.is_available():
        return Provider("cuda", reason="no GPU is visible")
    precisions = ("fp32", "fp16")
    missing = without(precisions, {"bf16": "never compared on a GPU", "int8": _FLOAT})
    return Provider("cuda", precisions, torch.cuda.get_device_name(), reason, missing)
