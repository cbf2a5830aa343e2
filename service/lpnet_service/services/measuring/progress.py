"""The progress of campaigns: counts, pace, time left, failures, and what they wait for."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from lpnet.schemas.campaign import Campaign
from lpnet_service.db.rows import CampaignRow
from lpnet_service.repositories.campaigns import CampaignRepository, JobCounts
from lpnet_service.repositories.devices import DeviceRepository
from lpnet_service.services.shared.context import Context
from lpnet_service.services.shared.states import NOT_MEASURING, target_states

_NOT_STARTED = "no agent has started on it yet"
_NOTHING_MEASURED = "nothing has been measured yet"


def progress(ctx: Context, session: Session, rows: Sequence[CampaignRow]) -> list[Campaign]:
    ids = [row.id for row in rows]
    counts = CampaignRepository(session).counts(ids)
    failures = CampaignRepository(session).failures(ids)
    waiting = _waiting_reasons(ctx, session, rows)
    now = ctx.clock.now()
    return [_campaign(row, counts[row.id], failures[row.id], waiting, now) for row in rows]


def _waiting_reasons(
    ctx: Context, session: Session, rows: Sequence[CampaignRow]
) -> dict[str, str]:
    names = {row.target for row in rows if row.state == "running"}
    if not names:
        return {}
    targets = [row for row in DeviceRepository(session).list_targets() if row.name in names]
    return {
        name: f"its target is {state.name}: {state.reason}"
        for name, state in target_states(ctx, session, targets).items()
        if state.name in NOT_MEASURING
    }


def _campaign(
    row: CampaignRow,
    counts: JobCounts,
    failures: Sequence[str],
    waiting: Mapping[str, str],
    now: datetime,
) -> Campaign:
    failed = [*failures, *json.loads(row.unplanned_json)]
    lines = [f"{count} x {reason}" for reason, count in Counter(failed).most_common()]
    if row.state == "failed" and counts.measured:
        lines.insert(0, f"{counts.disturbed} of {counts.measured} samples are disturbed")
    return Campaign.model_validate(
        {
            "id": row.id,
            "target": row.target,
            "space": row.space,
            "state": row.state,
            "total": row.total,
            "measured": counts.measured,
            "disturbed": counts.disturbed,
            "failed": len(failed),
            "failures": tuple(lines),
            **_pace(row, counts, len(failed), now),
            "waiting": waiting.get(row.target) if row.state == "running" and counts.open else None,
            "created_at": row.created_at,
            "finished_at": row.finished_at,
        }
    )


def _pace(row: CampaignRow, counts: JobCounts, failed: int, now: datetime) -> dict[str, Any]:
    """Samples per minute and seconds left, or why they are unknown."""
    finished = counts.measured + failed
    reason = None
    if counts.started_at is None:
        reason = _NOT_STARTED
    elif not finished:
        reason = _NOTHING_MEASURED
    running = row.state == "running"
    if counts.started_at is None or reason is not None:
        return {
            "samples_per_minute": None,
            "pace_reason": reason,
            "seconds_left": None if running else 0.0,
            "seconds_left_reason": reason if running else None,
        }
    seconds = ((row.finished_at or now) - counts.started_at).total_seconds()
    return {
        "samples_per_minute": 60.0 * counts.measured / seconds if seconds > 0 else None,
        "pace_reason": None if seconds > 0 else _NOTHING_MEASURED,
        "seconds_left": seconds / finished * (row.total - finished) if running else 0.0,
        "seconds_left_reason": None,
    }
