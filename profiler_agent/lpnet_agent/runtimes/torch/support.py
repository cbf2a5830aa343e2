"""What PyTorch can run on here, and in which precisions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from lpnet_agent.runtimes.base import Provider, unsupported_precisions

# CPU instructions for products of bfloat16 and of float16. Without them every number is converted
# to float32.
_BF16 = ("avx512_bf16", "amx_bf16", "bf16")
_FP16 = ("avx512_fp16", "amx_fp16", "fp16_arith")
_NO_INT8 = "lpnet quantises ONNX models only, which PyTorch does not read"
_CONVERTS = "this CPU does not compute in it: PyTorch would convert every number to float32"
_UNTESTED = "not tested: no CPU that computes in it was available"


def cpu(unavailable: str | None = None) -> Provider:
    # Older versions of PyTorch do not report them.
    capabilities: Mapping[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    has_bf16 = any(capabilities.get(name) for name in _BF16)
    has_fp16 = any(capabilities.get(name) for name in _FP16)
    precisions = ("fp32", "bf16") if has_bf16 else ("fp32",)
    reasons = {"fp16": _UNTESTED if has_fp16 else _CONVERTS, "bf16": _CONVERTS, "int8": _NO_INT8}
    unsupported = unsupported_precisions(precisions, reasons)
    return Provider(
        "cpu", precisions, capabilities.get("cpu_name") or None, unavailable, unsupported
    )


def cuda(unavailable: str | None = None) -> Provider:
    if not torch.backends.cuda.is_built():  # type: ignore[no-untyped-call]
        return Provider("cuda", unavailable="this build of torch has no CUDA")
    if not torch.cuda.is_available():
        return Provider("cuda", unavailable="no GPU is visible")
    precisions = ("fp32", "fp16")
    reasons = {"bf16": "not tested on a GPU", "int8": _NO_INT8}
    unsupported = unsupported_precisions(precisions, reasons)
    return Provider("cuda", precisions, torch.cuda.get_device_name(), unavailable, unsupported)
