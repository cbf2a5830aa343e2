"""As much capacity as a latency budget allows."""

from __future__ import annotations

import torch
from torch import Tensor

from lpnet.search.context import SearchContext
from lpnet.search.local_search import LocalSearch

# Starts of the ascent, and the number of best results from which the local search continues.
_STARTS = 12
_FINALISTS = 3
# Perturbations of the best result, the widths that each one changes, and the max rungs per width.
_PERTURBATIONS = 24
_PERTURBED_WIDTHS = 5
_PERTURBED_RUNGS = 4


def widest(context: SearchContext, budget_ms: float, seed: int, thorough: bool) -> Tensor:
    """Widths (L,) int64 whose predicted latency is within the budget, with as many MACs as the
    search reaches."""
    budget = context.effective_budget(budget_ms)
    search, top = context.local_search(), context.ladders.top
    if context.dense_ms <= budget and context.may_fit(top):
        return top
    budgets = torch.full((_STARTS,), budget, dtype=torch.float64)
    ascended = torch.unique(context.ascended(budgets, seed), dim=0)
    reduced = [search.reduce(row, budget) for row in ascended]
    within = torch.stack([context.ladders.floor, *(row for row in reduced if row is not None)])
    order = context.capacity(within).argsort(descending=True, stable=True)[
        : _FINALISTS if thorough else 1
    ]
    finalists = [within[index] for index in order]
    # Reducing the dense network step by step ends elsewhere, and sometimes wider.
    from_dense = search.reduce(top, budget)
    ends = [search.improve(row, budget) for row in (*finalists, from_dense) if row is not None]
    best = ends[int(context.capacity(torch.stack(ends)).argmax())]
    return _perturbed(context, search, best, budget, seed) if thorough else best


def _perturbed(
    context: SearchContext, search: LocalSearch, best: Tensor, budget: float, seed: int
) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    for _ in range(_PERTURBATIONS):
        start = best.clone()
        for index in torch.randperm(len(best), generator=generator)[:_PERTURBED_WIDTHS].tolist():
            rungs = context.ladders.rungs[index]
            position = int(torch.searchsorted(rungs, int(best[index])))
            offset = int(
                torch.randint(-_PERTURBED_RUNGS, _PERTURBED_RUNGS + 1, (), generator=generator)
            )
            start[index] = rungs[min(max(position + offset, 0), len(rungs) - 1)]
        reduced = search.reduce(start, budget)
        if reduced is None:
            continue
        end = search.improve(reduced, budget)
        if float(context.capacity(end[None])[0]) > float(context.capacity(best[None])[0]):
            best = end
    return best
