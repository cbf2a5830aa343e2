"""The dense network in which nothing reads the channels that a pruned copy of it lacks.

It knows only the two modules: since all numbers of a parameter differ, the numbers of the pruned
parameter show which positions of the dense parameter are left. No part of lpnet is used.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

Positions = NDArray[np.int64]

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)


class Mismatch(Exception):
    """A pruned parameter is no selection of the dense one."""


def kept_positions(dense: nn.Module, pruned: nn.Module) -> dict[str, Positions]:
    """Flat positions of each dense parameter and buffer that are left in the pruned module.

    Tensors that are the same in both are not listed. Raises Mismatch for a pruned tensor that is
    missing, holds other numbers, or holds a number twice.
    """
    after = dict(_tensors(pruned))
    positions = {}
    for name, before in _tensors(dense):
        if name not in after:
            raise Mismatch(f"{name} is missing in the pruned module")
        if not same(before, after[name]):
            positions[name] = _positions(name, before, after[name])
    extra = after.keys() - dict(_tensors(dense)).keys()
    if extra:
        raise Mismatch(f"the pruned module has another tensor {min(extra)}")
    return positions


def masked(dense: nn.Module, positions: dict[str, Positions], seed: int | None) -> nn.Module:
    """A copy of the dense module in which removed outputs are noise that nothing reads.

    Noise differs by seed: an output that depends on it reads a removed channel. Without a seed
    removed outputs of layers are zero, so that sums over them have the terms that are left.
    """
    noisy = copy.deepcopy(dense)
    generator = None if seed is None else torch.Generator().manual_seed(seed)
    owners = dict(noisy.named_modules(remove_duplicate=False))
    with torch.no_grad():
        for name, tensor in _tensors(noisy):
            if name in positions:
                path, _, own = name.rpartition(".")
                kept = np.zeros(tensor.numel(), dtype=bool)
                kept[positions[name].reshape(-1)] = True
                mask = torch.from_numpy(kept).reshape(tensor.shape)
                _mask(tensor, mask, _owner(owners, path), own, generator)
    return noisy


def same(before: Tensor, after: Tensor) -> bool:
    return before.shape == after.shape and torch.equal(before, after)


def _tensors(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    yield from module.named_parameters(remove_duplicate=False)
    yield from module.named_buffers(remove_duplicate=False)


def _positions(name: str, before: Tensor, after: Tensor) -> Positions:
    dense, pruned = before.detach().numpy(), after.detach().numpy()
    places = np.arange(dense.size).reshape(dense.shape)
    selected = _selected(dense, pruned)
    if selected is not None:
        return np.asarray(places[selected], dtype=np.int64)
    return _searched(name, dense, pruned)


def _selected(
    dense: NDArray[np.generic], pruned: NDArray[np.generic]
) -> tuple[NDArray[np.int64], ...] | None:
    """Indices along each axis whose selection is the pruned array; None if there are none.

    The position of a single number gives a line along each axis, where others are looked up.
    """
    if dense.ndim != pruned.ndim or 0 in pruned.shape or not dense.ndim:
        return None
    corner = np.unravel_index(int((dense == pruned.flat[0]).argmax()), dense.shape)
    indices = []
    for axis in range(dense.ndim):
        line = dense[tuple(np.s_[:] if a == axis else i for a, i in enumerate(corner))]
        wanted = pruned[tuple(np.s_[:] if a == axis else 0 for a in range(dense.ndim))]
        order = np.argsort(line, kind="stable")
        first = np.searchsorted(line[order], wanted)
        indices.append(order[np.minimum(first, len(line) - 1)])
    if any(len(np.unique(index)) < len(index) for index in indices):
        return None
    selected: tuple[NDArray[np.int64], ...] = np.ix_(*indices)
    return selected if np.array_equal(dense[selected], pruned) else None


def _searched(name: str, dense: NDArray[np.generic], pruned: NDArray[np.generic]) -> Positions:
    numbers, wanted = dense.reshape(-1), pruned.reshape(-1)
    order = np.argsort(numbers, kind="stable")
    ordered = numbers[order]
    first = np.searchsorted(ordered, wanted, "left")
    if len(ordered) == 0 or (ordered[np.minimum(first, len(ordered) - 1)] != wanted).any():
        raise Mismatch(f"{name}: pruned {pruned.shape} holds numbers that dense lacks")
    positions = order[first]
    if (np.searchsorted(ordered, wanted, "right") - first > 1).any():
        # Equal numbers, as in a mask: any of them may be the one.
        return _slices(name, dense, pruned)
    if len(np.unique(positions)) < len(positions):
        raise Mismatch(f"{name}: the pruned tensor holds a number twice")
    return np.asarray(positions.reshape(pruned.shape), dtype=np.int64)


def _slices(name: str, before: NDArray[np.generic], after: NDArray[np.generic]) -> Positions:
    """Positions where an axis at a time is cut; which of equal slices is of no importance."""
    places = np.arange(before.size).reshape(before.shape)
    cut = [axis for axis in range(before.ndim) if before.shape[axis] != after.shape[axis]]
    if before.ndim != after.ndim or len(cut) != 1:
        raise Mismatch(f"{name}: equal numbers on several cut axes")
    axis, start, chosen = cut[0], 0, []
    for wanted in np.moveaxis(after, axis, 0):
        while start < before.shape[axis] and not np.array_equal(before.take(start, axis), wanted):
            start += 1
        if start == before.shape[axis]:
            raise Mismatch(f"{name}: the pruned tensor is no selection of the dense one")
        chosen.append(start)
        start += 1
    return np.asarray(places.take(chosen, axis), dtype=np.int64)


def _owner(owners: dict[str, nn.Module], path: str) -> nn.Module:
    """The layer of a tensor, also where a parametrization holds it."""
    return owners[path.split(".parametrizations.")[0].removesuffix("parametrizations")]


def _mask(
    tensor: Tensor, kept: Tensor, owner: nn.Module, name: str, generator: torch.Generator | None
) -> None:
    if not tensor.is_floating_point():
        return
    if generator is None:
        tensor[~kept] = 0
        return
    produced = ~kept if tensor.ndim == 1 else _removed_outputs(kept, owner, name)
    produced = produced.expand(tensor.shape)
    noise = torch.randn(int(produced.sum()), generator=generator)
    noise *= float(tensor.std(correction=0)) * 2
    if bool((tensor >= 0).all()):
        # Variances, and scales that a root is taken of.
        noise = noise.abs()
    tensor[~kept] = 0
    tensor[produced] = noise.to(tensor)


def _removed_outputs(kept: Tensor, owner: nn.Module, name: str) -> Tensor:
    """Positions of a weight in removed outputs. Zero at all others is right of any weight."""
    nothing = torch.zeros_like(kept)
    if isinstance(owner, _TRANSPOSED):
        # A row per input. A row of which nothing is left is an input that is gone.
        rows = kept.reshape(len(kept), -1).any(1)
        return ~kept & rows.reshape(-1, *[1] * (kept.ndim - 1))
    outputs_first = isinstance(owner, (*_CONVOLUTIONS, nn.Linear, nn.MultiheadAttention))
    if outputs_first and name != "bias_k" and name != "bias_v":
        rows = kept.reshape(len(kept), -1).any(1)
        return nothing | ~rows.reshape(-1, *[1] * (kept.ndim - 1))
    if isinstance(owner, nn.Embedding):
        return ~kept
    return nothing
