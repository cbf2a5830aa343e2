"""Commands that measure a space and train LPNets."""

from __future__ import annotations

from typing import Annotated

import typer

from lpnet.cli import show, show_estimate, show_report
from lpnet.cli.base import (
    Batch,
    Json,
    KeepGoing,
    Resolution,
    Seed,
    TargetName,
    Token,
    Url,
    connect,
    print_json,
)
from lpnet.cli.opening import FrozenLayers, Shapes, SpaceName, open_space
from lpnet.progress import terminal_progress
from lpnet.quality.text import print_quality


def profile(
    target: TargetName,
    space: SpaceName,
    blocks: Annotated[int, typer.Option(min=0, help="Number of blocks to measure.")] = 300,
    networks: Annotated[
        int, typer.Option(min=0, help="Number of whole networks to measure.")
    ] = 40,
    pruned: Annotated[
        int,
        typer.Option(
            min=0, help="Number of networks that a pruner chooses; they are measured last."
        ),
    ] = 10,
    repeats: Annotated[
        int, typer.Option(min=0, help="Number of workloads to measure twice, for the noise floor.")
    ] = 16,
    shape: Shapes = None,
    frozen: FrozenLayers = None,
    batch: Batch = None,
    resolution: Resolution = None,
    seed: Seed = 0,
    train: Annotated[bool, typer.Option(help="Train an LPNet afterwards.")] = True,
    keep_going: KeepGoing = False,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Print the number of samples, the time and the sampled range, and start nothing. "
            "A space that is new to the service is uploaded.",
        ),
    ] = False,
    as_json: Json = False,
    url: Url = None,
    token: Token = None,
) -> None:
    """Measure a space on a target, then train an LPNet from the samples.

    After a dozen workloads it says how many samples are disturbed, why, and what would help. If
    most are, it stops with exit status 3, and keeps what was measured.
    """
    opened = open_space(space, shapes=shape, frozen=frozen, batch=batch, resolution=resolution)
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
        print_json(estimate) if as_json else show_estimate.print_estimate(estimate)
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
            keep_going=keep_going,
            on_quality=print_quality,
        )
        report = client.train(target, seed=seed, progress=progress) if train else None
    if report is None:
        print_json(campaign) if as_json else show.print_campaign(campaign)
    else:
        print_json(report) if as_json else show_report.print_report(report)


def train(
    target: TargetName,
    seed: Seed = 0,
    as_json: Json = False,
    url: Url = None,
    token: Token = None,
) -> None:
    """Train a new version of a target's LPNet from all samples of its epoch."""
    with connect(url, token) as client, terminal_progress() as progress:
        report = client.train(target, seed=seed, progress=progress)
    print_json(report) if as_json else show_report.print_report(report)


def report(
    target: TargetName,
    lpnet: Annotated[
        str | None, typer.Option(help="Id of an LPNet version (default: the active one).")
    ] = None,
    as_json: Json = False,
    url: Url = None,
    token: Token = None,
) -> None:
    """Show the errors of a target's LPNet, beside the baselines and the noise floor."""
    with connect(url, token) as client:
        result = client.report(target, lpnet)
    print_json(result) if as_json else show_report.print_report(result)


def study(
    target: TargetName,
    samples: Annotated[int, typer.Option(min=2, help="Number of samples to train on.")],
    seed: Seed = 0,
    as_json: Json = False,
    url: Url = None,
    token: Token = None,
) -> None:
    """Train on a random part of the samples and test on the others, beside the baselines.

    The report says how good an LPNet of that many samples is. The LPNet is not published.
    """
    with connect(url, token) as client, terminal_progress() as progress:
        report = client.study(target, samples, seed=seed, progress=progress)
    print_json(report) if as_json else show_report.print_report(report)
