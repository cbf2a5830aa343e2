"""`lpnet demo`: the whole loop on this machine, everything real.

A service and an agent run as processes of their own on loopback, with a fresh SQLite file.
"""

from __future__ import annotations

import json
import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from lpnet.cli import layout, show
from lpnet.cli.base import Seed
from lpnet.cli.processes import LocalLoop
from lpnet.errors import LpnetError
from lpnet.progress import Progress, terminal_progress
from lpnet.schemas.report import Report

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from lpnet.client import Client
    from lpnet.space.space import Space

BUDGET_SHARE = 0.5
# Left of the budget for what the prediction may be off.
MARGIN = 0.02
ROUNDS = 3
ATTEMPTS = 4


def demo(
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Also write report, seconds and result here.")
    ] = None,
    folder: Annotated[
        Path, typer.Option("--dir", help="Where the database and the logs go.")
    ] = Path("lpnet-demo"),
    model: Annotated[str, typer.Option(help="Network of the zoo to shrink.")] = "mobilenet_v2",
    blocks: Annotated[int, typer.Option(min=1, help="Blocks to measure.")] = 300,
    networks: Annotated[int, typer.Option(min=12, help="Whole networks to measure.")] = 62,
    seed: Seed = 0,
) -> None:
    """Run the whole loop on this machine, with one CPU thread and a fresh database.

    Measures MobileNetV2, trains an LPNet, shrinks the network to half its latency with the
    LPNet's gradient, and measures the promise beside a uniform shrink of the same MACs.
    """
    from lpnet import zoo

    if json_file is not None:
        # Better now than after the measuring.
        json_file.parent.mkdir(parents=True, exist_ok=True)
        json_file.touch()
    say = Console(stderr=True).print
    began = time.monotonic()
    say(f"[bold]lpnet demo[/bold]: {model} on this machine's CPU, one thread, in {folder}/")
    space = zoo.space(model)
    with LocalLoop(folder) as loop, terminal_progress() as progress:
        target = loop.wait_for_target()
        say(f"service at {loop.url}, target [bold]{target}[/bold]")
        loop.client.campaign(
            target, space, blocks=blocks, networks=networks, seed=seed, progress=progress
        )
        profiled = time.monotonic()
        report = loop.client.train(target, seed=seed, progress=progress)
        trained = time.monotonic()
        shrink = _shrink(loop.client, target, space, progress)
    seconds = {
        "profile": round(profiled - began, 1),
        "train": round(trained - profiled, 1),
        "total": round(time.monotonic() - began, 1),
    }
    _tell(report, shrink, seconds)
    _farewell(loop.database_url, target)
    if json_file is not None:
        result = {"report": report.model_dump(mode="json"), "seconds": seconds, "shrink": shrink}
        json_file.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def _shrink(client: Client, target: str, space: Space, progress: Progress) -> dict[str, Any]:
    """Half the latency, most of the capacity; and what a uniform shrink makes of it."""
    import numpy as np
    import torch

    (dense_ms,) = _measured(client, target, space, [space.dense], progress)
    budget_ms = BUDGET_SHARE * dense_ms
    predictor = client.predictor(target, space)
    # Nothing thinner than what was measured: there a prediction would be a guess.
    widths = predictor.widest((1 - MARGIN) * budget_ms, keep=0.1).numpy()
    uniform = uniform_shrink(space, space.macs(widths))
    asked = torch.from_numpy(np.stack([widths, uniform, space.dense]))
    with torch.no_grad():
        predicted = predictor(asked.float()).tolist()
    shrunk_ms, uniform_ms = _measured(client, target, space, [widths, uniform], progress)
    return {
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


def _tell(report: Report, shrink: dict[str, Any], seconds: dict[str, float]) -> None:
    show.report(report)
    floor = layout.noise(report.noise_floor_pct, report.reasons.get("noise_floor_pct"))
    show.shrink(shrink, floor)
    timing = ", ".join(f"{name} {value:.0f} s" for name, value in seconds.items())
    show.line(f"took: {timing}")


def _farewell(database_url: str, target: str) -> None:
    show.line("\nServe this database again, and look at its latency table:")
    show.line(f"  LPNET_DATABASE_URL={database_url} lpnet-service run")
    show.line(f"  lpnet table {target}")
