"""First half of `lpnet demo`: a network shrunk to half its latency by the LPNet's gradient."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any

from lpnet.errors import BudgetTooSmall, LpnetError
from lpnet.progress import Progress

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from lpnet.client import Client
    from lpnet.space.space import Space

BUDGET_SHARE = 0.5
# Left of the budget for what the prediction may be off.
MARGIN = 0.02
# Above the budget by more, it is asked again with the budget corrected by what was measured.
OVER = 0.02
TRIES = 3
ROUNDS = 3
ATTEMPTS = 4


def shrink(client: Client, target: str, space: Space, progress: Progress) -> dict[str, Any]:
    """Half the latency, most of the capacity; and what a uniform shrink makes of it.

    Of all networks the widest within a budget is among those that the LPNet takes for faster than
    they are: so it is measured, and where it is above the budget the next one is asked for as
    much below it. `tries` has what each was predicted and measured at.
    """
    import numpy as np
    import torch

    (dense_ms,) = _measured(client, target, space, [space.dense], progress)
    budget_ms = BUDGET_SHARE * dense_ms
    predictor = client.predictor(target, space)
    asked_ms, tries = (1 - MARGIN) * budget_ms, list[tuple[float, float]]()
    while True:
        try:
            # Nothing thinner than what was measured: there a prediction would be a guess.
            widths = predictor.widest(asked_ms, keep=0.1).numpy()
        except BudgetTooSmall:
            if not tries:
                raise
            break
        uniform = uniform_shrink(space, space.macs(widths))
        shown = torch.from_numpy(np.stack([widths, uniform, space.dense]))
        with torch.no_grad():
            predicted = predictor(shown.float()).tolist()
        shrunk_ms, uniform_ms = _measured(client, target, space, [widths, uniform], progress)
        tries.append((predicted[0], shrunk_ms))
        if shrunk_ms <= (1 + OVER) * budget_ms or len(tries) == TRIES:
            break
        asked_ms = predicted[0] * (1 - MARGIN) * budget_ms / shrunk_ms
    return {
        "tries": [{"predicted_ms": said, "measured_ms": found} for said, found in tries],
        "dense_ms": dense_ms,
        "budget_ms": budget_ms,
        "predicted_ms": predicted[0],
        "measured_ms": shrunk_ms,
        "uniform_ms": uniform_ms,
        "uniform_predicted_ms": predicted[1],
        "dense_predicted_ms": predicted[2],
        "macs": {
            "dense": space.macs(space.dense),
            "shrunk": space.macs(widths),
            "uniform": space.macs(uniform),
        },
        "widths": space.named(widths),
        "uniform_widths": space.named(uniform),
    }


def _measured(
    client: Client,
    target: str,
    space: Space,
    networks: list[NDArray[np.int64]],
    progress: Progress,
) -> list[float]:
    """Median latency of each network over rounds that take turns, so that drift hits all alike.

    Disturbed measurements are taken again. Raises LpnetError where a network never gets a quiet
    moment: a comparison with a disturbed number would say nothing.
    """
    quiet: list[list[float]] = [[] for _ in networks]
    for _ in range(ATTEMPTS):
        missing = [i for i, found in enumerate(quiet) if len(found) < ROUNDS]
        if not missing:
            break
        turns = missing * ROUNDS
        asked = [networks[i].tolist() for i in turns]
        found = client.measure(target, space, asked, progress=progress)
        for place, sample in zip(turns, found, strict=True):
            if not sample.disturbed:
                quiet[place].append(sample.latency_ms)
    if not all(quiet):
        raise LpnetError(
            "something else keeps this machine busy: every measurement of a network was "
            "disturbed. Stop it and run the demo again."
        )
    return [statistics.median(found) for found in quiet]


def uniform_shrink(space: Space, macs: int) -> NDArray[np.int64]:
    """Every width times one ratio: the ratio whose MACs come closest to `macs`."""
    import numpy as np

    def at(ratio: float) -> NDArray[np.int64]:
        kept = [max(w.granule, round(ratio * w.max / w.granule) * w.granule) for w in space.widths]
        return np.array(kept, dtype=np.int64)

    ratios = np.linspace(0.01, 1.0, 1_000)
    return min((at(ratio) for ratio in ratios), key=lambda w: abs(space.macs(w) - macs))
