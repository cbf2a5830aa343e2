"""Commands that measure a space and learn from the samples."""

from __future__ import annotations

from typing import Annotated

import typer

from lpnet.cli import show, show_estimate
from lpnet.cli.base import (
    Batch,
    Json,
    Resolution,
    Seed,
    SpaceName,
    TargetName,
    Token,
    Url,
    connect,
    open_space,
    print_json,
)
from lpnet.progress import terminal_progress


def profile(
    target: TargetName,
    space: SpaceName,
    blocks: Annotated[int, typer.Option(min=0, help="Blocks to draw and measure.")] = 300,
    networks: Annotated[int, typer.Option(min=0, help="Whole networks to draw.")] = 40,
    pruned: Annotated[
        int, typer.Option(min=0, help="Networks that a pruner chooses, measured last.")
    ] = 10,
    repeats: Annotated[
        int, typer.Option(min=0, help="Workloads measured again: the noise floor.")
    ] = 8,
    batch: Batch = None,
    resolution: Resolution = None,
    seed: Seed = 0,
    train: Annotated[bool, typer.Option(help="Train an LPNet afterwards.")] = True,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Tell samples, minutes and reach, and start nothing. A space that the service "
            "does not know is uploaded, which is harmless.",
        ),
    ] = False,
    as_json: Json = False,
    url: Url = None,
    token: Token = None,
) -> None:
    """Measure a space on a target, then train an LPNet from the samples."""
    opened = open_space(space, batch=batch, resolution=resolution)
    if dry_run:
        with connect(url, token) as client:
            estimate = client.estimate(
                target,
                opened,
                blocks=blocks,
                networks=networks,
                pruned=pruned,
                repeats=repeats,
                seed=seed,
            )
        print_json(estimate) if as_json else show_estimate.estimate(estimate)
        return
    with connect(url, token) as client, terminal_progress() as progress:
        campaign = client.campaign(
            target,
            opened,
            blocks=blocks,
            networks=networks,
            pruned=pruned,
            repeats=repeats,
            seed=seed,
            progress=progress,
        )
        report = client.train(target, seed=seed, progress=progress) if train else None
    if report is None:
        print_json(campaign) if as_json else show.campaign(campaign)
    else:
        print_json(report) if as_json else show.report(report)


def train(
    target: TargetName,
    seed: Seed = 0,
    as_json: Json = False,
    url: Url = None,
    token: Token = None,
) -> None:
    """Train a new version of a target's LPNet from all samples of its epoch."""
    with connect(url, token) as client, terminal_progress() as progress:
        found = client.train(target, seed=seed, progress=progress)
    print_json(found) if as_json else show.report(found)


def report(
    target: TargetName,
    lpnet: Annotated[
        str | None, typer.Option(help="Id of a version; the active one if absent.")
    ] = None,
    as_json: Json = False,
    url: Url = None,
    token: Token = None,
) -> None:
    """Show how good a target's LPNet is, beside its baselines and the noise floor."""
    with connect(url, token) as client:
        found = client.report(target, lpnet)
    print_json(found) if as_json else show.report(found)


def study(
    target: TargetName,
    samples: Annotated[int, typer.Option(min=2, help="Samples to train on.")],
    seed: Seed = 0,
    as_json: Json = False,
    url: Url = None,
    token: Token = None,
) -> None:
    """Train on N samples drawn with a seed, judge on all others, beside the baselines.

    Publishes nothing: it tells how good an LPNet of a table of that size is.
    """
    with connect(url, token) as client, terminal_progress() as progress:
        found = client.study(target, samples, seed=seed, progress=progress)
    print_json(found) if as_json else show.report(found)
