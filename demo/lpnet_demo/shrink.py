"""First part of `lpnet demo`: a network shrunk to half its latency with the LPNet's gradient."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any

from lpnet.cli.layout import ms, new_grid, percent, print_all
from lpnet.errors import BudgetTooSmall, LpnetError
from lpnet.progress import Progress

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from lpnet.client import Client
    from lpnet.space.space import Space

BUDGET_SHARE = 0.5
# Share of the budget that stays unused, for the error of the prediction.
MARGIN = 0.02
# A measured latency further above the budget is tried again with a corrected budget.
TOLERANCE = 0.02
MAX_TRIES = 3
ROUNDS = 3
MAX_ATTEMPTS = 4


def shrink(client: Client, target: str, space: Space, progress: Progress) -> dict[str, Any]:
    """Shrink a network to half its latency, and measure it beside a uniform shrink.

    The widest network within a budget tends to be one whose latency the LPNet underestimates.
    So it is measured, and if it is above the budget, the search is repeated with a budget lowered
    by the same ratio. `tries` of the result holds the predicted and measured latency of each.
    """
    import numpy as np
    import torch

    (dense_ms,) = _measure_medians(client, target, space, [space.dense], progress)
    budget_ms = BUDGET_SHARE * dense_ms
    predictor = client.predictor(target, space)
    corrected_ms, tries = (1 - MARGIN) * budget_ms, list[tuple[float, float]]()
    while True:
        progress("choosing widths", 0.0, 1.0)
        try:
            # Narrower widths were not measured: predictions there would be guesses.
            widths = predictor.widest(corrected_ms, keep=0.1).numpy()
        except BudgetTooSmall:
            if not tries:
                raise
            break
        progress("choosing widths", 1.0, 1.0)
        uniform = uniform_shrink(space, space.macs(widths))
        candidates = torch.from_numpy(np.stack([widths, uniform, space.dense]))
        with torch.no_grad():
            predicted = predictor(candidates.float()).tolist()
        shrunk_ms, uniform_ms = _measure_medians(
            client, target, space, [widths, uniform], progress
        )
        tries.append((predicted[0], shrunk_ms))
        if shrunk_ms <= (1 + TOLERANCE) * budget_ms or len(tries) == MAX_TRIES:
            break
        corrected_ms = predicted[0] * (1 - MARGIN) * budget_ms / shrunk_ms
    return {
        "tries": [
            {"predicted_ms": predicted_ms, "measured_ms": measured_ms}
            for predicted_ms, measured_ms in tries
        ],
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


def _measure_medians(
    client: Client,
    target: str,
    space: Space,
    networks: list[NDArray[np.int64]],
    progress: Progress,
) -> list[float]:
    """Median latency of each network in ms. The networks take turns, so that drift affects all.

    Disturbed measurements are repeated. Raises LpnetError if all attempts on a network are
    disturbed.
    """
    latencies: list[list[float]] = [[] for _ in networks]
    for _ in range(MAX_ATTEMPTS):
        missing = [i for i, values in enumerate(latencies) if len(values) < ROUNDS]
        if not missing:
            break
        order = missing * ROUNDS
        widths = [networks[i].tolist() for i in order]
        samples = client.measure(target, space, widths, progress=progress)
        for index, sample in zip(order, samples, strict=True):
            if not sample.disturbed:
                latencies[index].append(sample.latency_ms)
    if not all(latencies):
        raise LpnetError(
            "every measurement of a network was disturbed: another process keeps this machine "
            "busy. Stop it and run the demo again."
        )
    return [statistics.median(values) for values in latencies]


def uniform_shrink(space: Space, macs: int) -> NDArray[np.int64]:
    """Every width times the same ratio, chosen so that the MACs are closest to `macs`."""
    import numpy as np

    def at(ratio: float) -> NDArray[np.int64]:
        kept = [max(w.granule, round(ratio * w.max / w.granule) * w.granule) for w in space.widths]
        return np.array(kept, dtype=np.int64)

    ratios = np.linspace(0.01, 1.0, 1_000)
    return min((at(ratio) for ratio in ratios), key=lambda w: abs(space.macs(w) - macs))


def print_shrink(result: dict[str, Any], noise_floor: str) -> None:
    dense_ms, budget_ms = result["dense_ms"], result["budget_ms"]
    numbers = ["MACs", "predicted ms", "measured ms", "error", "of dense"]
    grid = new_grid(None, "network", *numbers, numbers=numbers)
    for name, macs, predicted_ms, measured_ms in (
        ("dense", "dense", result["dense_predicted_ms"], dense_ms),
        ("shrunk with the gradient", "shrunk", result["predicted_ms"], result["measured_ms"]),
        ("uniform, same MACs", "uniform", result["uniform_predicted_ms"], result["uniform_ms"]),
    ):
        grid.add_row(
            name,
            f"{result['macs'][macs] / 1e6:.0f} M",
            ms(predicted_ms),
            ms(measured_ms),
            percent(100 * (predicted_ms / measured_ms - 1)),
            percent(100 * measured_ms / dense_ms, 0),
        )
    share = 100 * result["measured_ms"] / budget_ms
    verdict = f"budget {ms(budget_ms)} ms: the shrunk network takes {share:.1f}% of it"
    print_all("", grid, noise_floor, "", verdict + _earlier_tries(result))


def _earlier_tries(result: dict[str, Any]) -> str:
    shares = [attempt["measured_ms"] / result["budget_ms"] for attempt in result["tries"][:-1]]
    if not shares:
        return ""
    return (
        f" (after correcting the budget; before: {', '.join(f'{share:.1%}' for share in shares)})"
    )
