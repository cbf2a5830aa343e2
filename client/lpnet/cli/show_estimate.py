"""What a campaign would be, as people read it in a terminal."""

from __future__ import annotations

from lpnet.cli.layout import grid_of, put
from lpnet.schemas.estimate import CampaignEstimate, Duration, Reach

MAX_MISSING = 8


def estimate(found: CampaignEstimate) -> None:
    """What a campaign would be."""
    put(
        f"[bold]{found.samples} samples[/bold] on {found.target}, seed {found.seed}. Nothing was "
        "started; the service keeps the space, which costs it nothing."
    )
    numbers = ["drawn", "by a pruner", "repeats", "s each"]
    grid = grid_of(None, "kind", *numbers, numbers=numbers)
    for kind in found.kinds:
        each = "unknown" if kind.seconds_each is None else f"{kind.seconds_each:.2g}"
        grid.add_row(f"{kind.kind}s", str(kind.drawn), str(kind.pruned), str(kind.repeats), each)
    put(grid)
    for name, text in (
        ("time", _duration(found.time)),
        ("reach", _reach(found.reach)),
        ("judging", found.judging.detail),
        ("start", found.start.detail),
    ):
        put(f"[bold]{name}[/bold]: {text}")


def _duration(found: Duration) -> str:
    text = found.source
    if found.minutes is not None:
        text = (
            f"{found.minutes:.1f} min of measuring, by {found.source}; checks of the device "
            "between jobs, pauses, and what is measured again come on top"
        )
    if found.timed_minutes_at_most is None:
        return text
    return (
        f"{text}; warm-up and timed runs take at most {found.timed_minutes_at_most:.1f} min, "
        "building networks, rests between visits and whatever is measured again come on top"
    )


def _reach(found: Reach) -> str:
    text = (
        f"{found.widths_varied} of {found.widths} widths are varied, {found.blocks_alone} of "
        f"{found.blocks} blocks timed alone"
    )
    missing = [*found.widths_missing, *found.blocks_missing]
    if missing:
        more = f" and {len(missing) - MAX_MISSING} more" if len(missing) > MAX_MISSING else ""
        text += f" (not: {', '.join(missing[:MAX_MISSING])}{more})"
    low, high = found.macs_share_low, found.macs_share_high
    if low is None or high is None:
        return f"{text}; no network is drawn"
    return f"{text}; the drawn networks have {100 * low:.0f}% to {100 * high:.0f}% of dense MACs"
