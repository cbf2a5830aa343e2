"""`lpnet demo`: the whole loop on this machine, everything real.

A service and an agent run as processes of their own on loopback, with a fresh SQLite file or on a
given database. `lpnet --help` imports this module, so heavy imports are inside the functions.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lpnet.cli.base import KeepGoing, Seed

if TYPE_CHECKING:
    from lpnet.pruning.job.images import ImageDataset
    from lpnet_demo.processes import LocalLoop

# The demo does not wait longer for a target that pauses.
PATIENCE_S = 40.0


def demo(
    json_file: Annotated[
        Path | None,
        typer.Option("--json", help="Also write the report, the times and the results here."),
    ] = None,
    folder: Annotated[
        Path, typer.Option("--dir", help="Folder for the database and the logs.")
    ] = Path("lpnet-demo"),
    model: Annotated[str, typer.Option(help="Network of the zoo to shrink.")] = "mobilenet_v2",
    blocks: Annotated[int, typer.Option(min=1, help="Number of blocks to measure.")] = 220,
    networks: Annotated[
        int, typer.Option(min=12, help="Number of whole networks to measure.")
    ] = 48,
    epochs: Annotated[
        int,
        typer.Option(min=1, help="Epochs of training on the digits, before and during pruning."),
    ] = 4,
    seed: Seed = 0,
    database_url: Annotated[
        str | None,
        typer.Option(
            help="URL of an empty database, postgresql://... (default: a new SQLite file)."
        ),
    ] = None,
    api_processes: Annotated[
        int, typer.Option(min=1, help="Number of API processes of the service.")
    ] = 1,
    workers: Annotated[
        int, typer.Option(min=1, help="Number of training workers of the service.")
    ] = 1,
    second: Annotated[
        bool,
        typer.Option(help="Compare with a second runtime, if one is installed."),
    ] = True,
    keep_going: KeepGoing = False,
) -> None:
    """Run the whole loop on this machine, with one CPU thread and a fresh database.

    Measures MobileNetV2, trains an LPNet, and shrinks the network to half its latency with the
    LPNet's gradient. Measures the result beside a uniform shrink of the same MACs. Then trains a
    ResNet-20 on scikit-learn's digits, prunes it to half its latency, and measures latency and
    accuracy. Last, compares its latency under a second runtime.

    Stops with exit status 3 if most of the first samples are disturbed by other work, or if the
    target pauses for long, and says what would help.
    """
    from rich.console import Console

    from lpnet_demo.processes import LocalLoop, check_extras

    check_extras()
    log = Console(stderr=True).print
    # Imports and processes take a while on a busy machine.
    log(f"[bold]lpnet demo[/bold]: {model} on this machine's CPU, one thread, in {folder}/")

    from lpnet.cli.layout import print_line
    from lpnet.pruning.job.images import open_images
    from lpnet_demo.compare import compare, second_runtime
    from lpnet_demo.prune import BLOCKS, NETWORK, NETWORKS

    images = open_images("digits")
    if json_file is not None:
        # Fail before the measuring, not after it.
        json_file.parent.mkdir(parents=True, exist_ok=True)
        json_file.touch()
    loop = LocalLoop(
        folder,
        database_url=database_url,
        api_processes=api_processes,
        workers=workers,
        patience_s=None if keep_going else PATIENCE_S,
    )
    seconds: dict[str, float] = {}
    with _timed("total", seconds), ExitStack() as stack:
        target = _start(loop, stack)
        scale = f", {api_processes} API processes and {workers} workers"
        log(
            f"service at {loop.url}{scale if api_processes + workers > 2 else ''}, "
            f"target [bold]{target}[/bold]"
        )
        result = _run_shrink(loop, target, model, blocks, networks, seed, seconds, keep_going)
        result |= _run_prune(loop, target, model, images, epochs, seed, seconds, keep_going)
        runtime = second_runtime() if second else None
        if runtime is not None:
            with _timed("compare", seconds):
                # As many as the pruned network was measured with by the first runtime.
                counts = (blocks, networks) if model == NETWORK else (BLOCKS, NETWORKS)
                compare(loop, target, runtime, *counts, seed, keep_going)
    print_line("\ntimes: " + ", ".join(f"{name} {value:.0f} s" for name, value in seconds.items()))
    # The URL of the user's database is not printed: it may hold a password.
    _print_next_steps("URL" if database_url else loop.database_url, target)
    if json_file is not None:
        result["seconds"] = seconds
        json_file.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def _start(loop: LocalLoop, stack: ExitStack) -> str:
    """Start the loop until the stack is closed; returns its target."""
    from lpnet.progress import terminal_progress

    stage = "starting the service and the agent"
    with terminal_progress() as progress:
        progress(stage, 0, 1)
        stack.enter_context(loop)
        target = loop.wait_for_target()
        progress(stage, 1, 1)
    return target


def _run_shrink(
    loop: LocalLoop,
    target: str,
    model: str,
    blocks: int,
    networks: int,
    seed: int,
    seconds: dict[str, float],
    keep_going: bool,
) -> dict[str, Any]:
    from lpnet import zoo
    from lpnet.cli.layout import noise
    from lpnet.cli.show_report import print_report
    from lpnet.progress import terminal_progress
    from lpnet.quality.text import print_quality
    from lpnet_demo.shrink import print_shrink, shrink

    client, space = loop.client, zoo.space(model)
    with terminal_progress() as progress:
        with _timed("profile", seconds):
            client.campaign(
                target,
                space,
                blocks=blocks,
                networks=networks,
                seed=seed,
                progress=progress,
                keep_going=keep_going,
                on_quality=print_quality,
            )
        with _timed("train", seconds):
            report = client.train(target, seed=seed, progress=progress)
        result = shrink(client, target, space, progress)
    print_report(report)
    print_shrink(result, noise(report.noise_floor_pct, report.reasons.get("noise_floor_pct")))
    return {"report": report.model_dump(mode="json"), "shrink": result}


def _run_prune(
    loop: LocalLoop,
    target: str,
    model: str,
    images: ImageDataset,
    epochs: int,
    seed: int,
    seconds: dict[str, float],
    keep_going: bool,
) -> dict[str, Any]:
    from lpnet import zoo
    from lpnet.cli import show_prune
    from lpnet.cli.layout import print_line
    from lpnet_demo.prune import NETWORK, outcome_json, profile_network, prune_digits

    print_line(f"\n{NETWORK}, trained on digits and pruned to half its latency:")
    with _timed("prune", seconds):
        profile_network(loop.client, target, zoo.space(model), seed, keep_going)
        outcome = prune_digits(loop.client, target, images, epochs, seed)
    show_prune.print_outcome(outcome, target)
    return {"prune": outcome_json(outcome)}


@contextmanager
def _timed(name: str, seconds: dict[str, float]) -> Iterator[None]:
    start = time.monotonic()
    yield
    seconds[name] = round(time.monotonic() - start, 1)


def _print_next_steps(database_url: str, target: str) -> None:
    from lpnet.cli.layout import print_line

    print_line("\nServe this database again, and look at it in a browser or with a command:")
    print_line(f"  LPNET_DATABASE_URL={database_url} lpnet-service run  # http://127.0.0.1:8000")
    print_line(f"  lpnet table {target}")
