"""`lpnet demo`: the whole loop on this machine, everything real.

A service and an agent run as processes of their own on loopback, with a fresh SQLite file, or on
a database that is named.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from lpnet.cli import layout, show, show_prune
from lpnet.cli.base import Seed
from lpnet.progress import terminal_progress
from lpnet.schemas.report import Report
from lpnet_demo.compare import compare, second_runtime
from lpnet_demo.processes import LocalLoop
from lpnet_demo.prune import BLOCKS, NETWORK, NETWORKS, figures, learn, prune_digits
from lpnet_demo.shrink import shrink

if TYPE_CHECKING:
    from lpnet.pruning.job.images import Pictures


def demo(
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Also write report, seconds and results here.")
    ] = None,
    folder: Annotated[
        Path, typer.Option("--dir", help="Where the database and the logs go.")
    ] = Path("lpnet-demo"),
    model: Annotated[str, typer.Option(help="Network of the zoo to shrink.")] = "mobilenet_v2",
    blocks: Annotated[int, typer.Option(min=1, help="Blocks to measure.")] = 220,
    networks: Annotated[int, typer.Option(min=12, help="Whole networks to measure.")] = 48,
    epochs: Annotated[
        int,
        typer.Option(min=1, help="Epochs on the digits before pruning, and as many during it."),
    ] = 4,
    seed: Seed = 0,
    database_url: Annotated[
        str | None,
        typer.Option(help="An empty database, postgresql://..., and not a fresh SQLite file."),
    ] = None,
    api_processes: Annotated[int, typer.Option(min=1, help="API processes of the service.")] = 1,
    workers: Annotated[int, typer.Option(min=1, help="Its training workers.")] = 1,
    second: Annotated[
        bool,
        typer.Option(
            help="Measure the second network by another runtime too, where one is installed."
        ),
    ] = True,
) -> None:
    """Run the whole loop on this machine, with one CPU thread and a fresh database.

    Measures MobileNetV2, trains an LPNet, shrinks the network to half its latency with the
    LPNet's gradient, and measures the promise beside a uniform shrink of the same MACs. Then
    trains a ResNet-20 on scikit-learn's digits, prunes it to half its latency, and measures
    latency and accuracy; and compares it with what a second runtime makes of it.
    """
    from lpnet.pruning.job.images import open_pictures

    pictures = open_pictures("digits")
    if json_file is not None:
        # Better now than after the measuring.
        json_file.parent.mkdir(parents=True, exist_ok=True)
        json_file.touch()
    say = Console(stderr=True).print
    say(f"[bold]lpnet demo[/bold]: {model} on this machine's CPU, one thread, in {folder}/")
    local = LocalLoop(
        folder, database_url=database_url, api_processes=api_processes, workers=workers
    )
    seconds: dict[str, float] = {}
    with _timed("total", seconds), local as loop:
        target = loop.wait_for_target()
        beside = f", {api_processes} API processes and {workers} workers"
        shown = beside if api_processes + workers > 2 else ""
        say(f"service at {loop.url}{shown}, target [bold]{target}[/bold]")
        result = _first(loop, target, model, blocks, networks, seed, seconds)
        result |= _second(loop, target, model, pictures, epochs, seed, seconds)
        runtime = second_runtime() if second else None
        if runtime is not None:
            with _timed("compare", seconds):
                # What the second network was measured with, so that both measure the same.
                counts = (blocks, networks) if model == NETWORK else (BLOCKS, NETWORKS)
                compare(loop, target, runtime, *counts, seed)
    show.line("\ntook: " + ", ".join(f"{name} {value:.0f} s" for name, value in seconds.items()))
    _farewell("URL" if database_url else loop.database_url, target)
    if json_file is not None:
        result["seconds"] = seconds
        json_file.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def _first(
    loop: LocalLoop,
    target: str,
    model: str,
    blocks: int,
    networks: int,
    seed: int,
    seconds: dict[str, float],
) -> dict[str, Any]:
    """A network is measured, learnt and shrunk."""
    from lpnet import zoo

    client, space = loop.client, zoo.space(model)
    with terminal_progress() as progress:
        with _timed("profile", seconds):
            client.campaign(
                target, space, blocks=blocks, networks=networks, seed=seed, progress=progress
            )
        with _timed("train", seconds):
            report = client.train(target, seed=seed, progress=progress)
        shrunk = shrink(client, target, space, progress)
    _tell(report, shrunk)
    return {"report": report.model_dump(mode="json"), "shrink": shrunk}


def _second(
    loop: LocalLoop,
    target: str,
    model: str,
    pictures: Pictures,
    epochs: int,
    seed: int,
    seconds: dict[str, float],
) -> dict[str, Any]:
    """Another network learns pictures and is pruned."""
    from lpnet import zoo

    show.line(f"\n{NETWORK}, trained on digits and pruned to half its latency:")
    with _timed("prune", seconds):
        learn(loop.client, target, zoo.space(model), seed)
        outcome = prune_digits(loop.client, target, pictures, epochs, seed)
    show_prune.outcome(outcome, target)
    return {"prune": figures(outcome)}


@contextmanager
def _timed(name: str, seconds: dict[str, float]) -> Iterator[None]:
    """How long the work in here takes, under its name."""
    began = time.monotonic()
    yield
    seconds[name] = round(time.monotonic() - began, 1)


def _tell(report: Report, shrunk: dict[str, Any]) -> None:
    show.report(report)
    floor = layout.noise(report.noise_floor_pct, report.reasons.get("noise_floor_pct"))
    show.shrink(shrunk, floor)


def _farewell(database_url: str, target: str) -> None:
    """Not with the URL that was given: a password may be in it."""
    show.line("\nServe this database again, and look at it, in a browser or here:")
    show.line(f"  LPNET_DATABASE_URL={database_url} lpnet-service run  # http://127.0.0.1:8000")
    show.line(f"  lpnet table {target}")
