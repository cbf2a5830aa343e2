"""Widths as they come in: made a tensor, and checked, with errors that name the width."""

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
    """Widths as a float tensor (..., len(names)); float32 and float64 stay what they are.

    An object {name: number}, a list in the order of `names`, and lists of either become float32
    on `device`; numbers need not be whole. Raises WidthsError: an unknown or missing name, the
    wrong length, something that is no number.
    """
    if not isinstance(widths, Tensor):
        widths = _from_values(widths, names, device)
    if widths.dim() == 0 or widths.shape[-1] != len(names):
        got = "a single number" if widths.dim() == 0 else f"{widths.shape[-1]}"
        raise WidthsError(f"expected {len(names)} widths in the last dimension, got {got}")
    if widths.dtype in (torch.float32, torch.float64):
        return widths
    if widths.is_complex() or widths.dtype is torch.bool:
        raise WidthsError(f"widths are numbers of channels, not {widths.dtype}")
    return widths.to(torch.float32)


def in_range(widths: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """Whether each vector (..., L) lies in the range of every width, NaN being outside: (...)."""
    return ((widths >= low) & (widths <= high)).all(-1)


def require_in_range(widths: Tensor, low: Tensor, high: Tensor, names: Sequence[str]) -> None:
    """Raises WidthsError naming the first width that is NaN or outside low..high."""
    fine = (widths >= low) & (widths <= high)
    if bool(fine.all()):
        return
    place = tuple(int(i) for i in (~fine).nonzero()[0])
    value, index = float(widths.detach()[place]), place[-1]
    row = f" of row {', '.join(str(i) for i in place[:-1])}" if len(place) > 1 else ""
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
        what = "a whole number" if step == 1 else f"a multiple of its granule {step:g}"
        raise WidthsError(f"width {names[index]!r} is {value:g}, not {what}")


def unseen(widths: Tensor) -> bool:
    """Whether the values cannot be looked at here: in compile, vmap, or a CUDA graph capture."""
    if torch.compiler.is_compiling():
        return True
    stack = torch._C._functorch.get_interpreter_stack()
    vmap = torch._C._functorch.TransformType.Vmap
    if stack is not None and any(layer.key() == vmap for layer in stack):
        return True
    return widths.is_cuda and torch.cuda.is_current_stream_capturing()


def poison(ms: Tensor, fine: Tensor) -> Tensor:
    """NaN, in value and in gradient, where `fine` is false."""
    return ms * torch.where(fine, 1.0, torch.nan).to(ms.dtype)


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
        # A copy: torch does not like memory that may not be written to.
        found = torch.tensor(rows, device=device)
    except (TypeError, ValueError, RuntimeError) as error:
        raise WidthsError(f"widths cannot be read as numbers: {error}") from error
    return found


def _in_order(widths: Mapping[str, float], names: Sequence[str]) -> list[float]:
    missing = [name for name in names if name not in widths]
    unknown = [name for name in widths if name not in set(names)]
    if missing or unknown:
        said = [f"missing {name!r}" for name in missing[:3]]
        said += [f"unknown {name!r}" for name in unknown[:3]]
        more = len(missing) + len(unknown) - len(said)
        raise WidthsError(f"widths: {', '.join(said)}{f', and {more} more' if more else ''}")
    return [widths[name] for name in names]
