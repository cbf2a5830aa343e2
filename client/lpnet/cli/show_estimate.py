"""The estimate of a campaign, printed for people on a terminal."""

from __future__ import annotations

from lpnet.cli.layout import new_grid, print_all
from lpnet.schemas.estimate import CampaignEstimate, SpaceCoverage, TimeEstimate

_MAX_MISSING = 8


def print_estimate(estimate: CampaignEstimate) -> None:
    print_all(
        f"[bold]{estimate.samples} samples[/bold] on {estimate.target}, seed {estimate.seed}. "
        "Nothing was started. The service keeps the uploaded space."
    )
    numbers = ["drawn", "by a pruner", "chosen", "repeats", "s each"]
    grid = new_grid(None, "kind", *numbers, numbers=numbers)
    for kind in estimate.kinds:
        seconds = "unknown" if kind.seconds_each is None else f"{kind.seconds_each:.2g}"
        counts = (kind.drawn, kind.pruned, kind.chosen, kind.repeats)
        grid.add_row(f"{kind.kind}s", *map(str, counts), seconds)
    print_all(grid)
    for name, text in (
        ("time", _time(estimate.time)),
        ("coverage", _coverage(estimate.reach)),
        ("test set", estimate.judging.detail),
        ("start", estimate.start.detail),
    ):
        print_all(f"[bold]{name}[/bold]: {text}")


def _time(estimate: TimeEstimate) -> str:
    text = estimate.source
    if estimate.minutes is not None:
        text = (
            f"{estimate.minutes:.1f} min of measuring, by {estimate.source}; checks of the device "
            "between jobs, pauses and repeated measurements add to it"
        )
    if estimate.timed_minutes_at_most is None:
        return text
    return (
        f"{text}; warm-up and timed runs take at most {estimate.timed_minutes_at_most:.1f} min; "
        "building networks, pauses between visits and repeated measurements add to it"
    )


def _coverage(coverage: SpaceCoverage) -> str:
    text = (
        f"{coverage.widths_varied} of {coverage.widths} widths are varied, "
        f"{coverage.blocks_alone} of {coverage.blocks} blocks are timed alone"
    )
    missing = [*coverage.widths_missing, *coverage.blocks_missing]
    if missing:
        hidden = len(missing) - _MAX_MISSING
        more = f" and {hidden} more" if hidden > 0 else ""
        text += f" (missing: {', '.join(missing[:_MAX_MISSING])}{more})"
    low, high = coverage.macs_share_low, coverage.macs_share_high
    if low is None or high is None:
        return f"{text}; no network is drawn"
    return f"{text}; the drawn networks have {100 * low:.0f}% to {100 * high:.0f}% of dense MACs"
