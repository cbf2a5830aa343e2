"""Widths from the caller: turned into a tensor, and checked with errors that name the width."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lpnet.errors import WidthsError

WidthsLike = (
    Tensor
    | NDArray[Any]
    | Mapping[str, float]
    | Sequence[float]
    | Sequence[Sequence[float]]
    | Sequence[Mapping[str, float]]
)


def as_tensor(widths: WidthsLike, names: Sequence[str], device: torch.device) -> Tensor:
    """Widths as a float tensor (..., len(names)); float32 and float64 tensors keep their type.

    An object {name: number}, a list in the order of `names`, and lists of either become float32
    on `device`; numbers need not be whole. Raises WidthsError for an unknown or missing name, a
    wrong length, and anything that is not a number.
    """
    if not isinstance(widths, Tensor):
        widths = _from_values(widths, names, device)
    if widths.dim() == 0 or widths.shape[-1] != len(names):
        got = "a single number" if widths.dim() == 0 else f"{widths.shape[-1]}"
        raise WidthsError(f"expected {len(names)} widths in the last dimension, got {got}")
    if widths.dtype in (torch.float32, torch.float64):
        return widths
    if widths.is_complex() or widths.dtype is torch.bool:
        raise WidthsError(f"widths must be real numbers, got {widths.dtype}")
    return widths.to(torch.float32)


def in_range(widths: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """Which vectors (..., L) have every width in range, as bool (...). NaN is out of range."""
    return ((widths >= low) & (widths <= high)).all(-1)


def require_in_range(widths: Tensor, low: Tensor, high: Tensor, names: Sequence[str]) -> None:
    """Raises WidthsError naming the first width that is NaN or outside low..high."""
    valid = (widths >= low) & (widths <= high)
    if bool(valid.all()):
        return
    position = tuple(int(i) for i in (~valid).nonzero()[0])
    value, index = float(widths.detach()[position]), position[-1]
    row = f" of row {', '.join(str(i) for i in position[:-1])}" if len(position) > 1 else ""
    raise WidthsError(
        f"width {names[index]!r}{row} is {value:g}, out of its range "
        f"{float(low[index]):g} to {float(high[index]):g}"
    )


def require_legal(widths: Tensor, granule: Tensor, names: Sequence[str]) -> None:
    """Raises WidthsError naming the first width that is not a multiple of its granule (L,)."""
    off = (torch.remainder(widths.to(granule.dtype), granule) != 0).nonzero()
    if len(off):
        index = int(off[0, -1])
        value, step = float(widths.detach()[tuple(off[0])]), float(granule[index])
        rule = "a whole number" if step == 1 else f"a multiple of its granule {step:g}"
        raise WidthsError(f"width {names[index]!r} is {value:g}, not {rule}")


def is_unreadable(widths: Tensor) -> bool:
    """True in torch.compile, vmap and a CUDA graph capture."""
    if torch.compiler.is_compiling():
        return True
    stack = torch._C._functorch.get_interpreter_stack()
    vmap = torch._C._functorch.TransformType.Vmap
    if stack is not None and any(layer.key() == vmap for layer in stack):
        return True
    return widths.is_cuda and torch.cuda.is_current_stream_capturing()


def nan_unless(valid: Tensor, ms: Tensor) -> Tensor:
    """`ms`, or NaN in value and in gradient where `valid` is false."""
    return ms * torch.where(valid, 1.0, torch.nan).to(ms.dtype)


def _from_values(
    widths: NDArray[Any] | Mapping[str, float] | Sequence[Any],
    names: Sequence[str],
    device: torch.device,
) -> Tensor:
    rows: Any = widths
    if isinstance(widths, Mapping):
        rows = _in_order(widths, names)
    elif not isinstance(widths, np.ndarray) and any(isinstance(row, Mapping) for row in widths):
        rows = [_in_order(row, names) if isinstance(row, Mapping) else row for row in widths]
    try:
        # A copy: torch warns about read-only memory.
        return torch.tensor(rows, device=device)
    except (TypeError, ValueError, RuntimeError) as error:
        raise WidthsError(f"widths cannot be read as numbers: {error}") from error


def _in_order(widths: Mapping[str, float], names: Sequence[str]) -> list[float]:
    missing = [name for name in names if name not in widths]
    unknown = [name for name in widths if name not in set(names)]
    if missing or unknown:
        problems = [f"missing {name!r}" for name in missing[:3]]
        problems += [f"unknown {name!r}" for name in unknown[:3]]
        more = len(missing) + len(unknown) - len(problems)
        raise WidthsError(f"widths: {', '.join(problems)}{f', and {more} more' if more else ''}")
    return [widths[name] for name in names]
