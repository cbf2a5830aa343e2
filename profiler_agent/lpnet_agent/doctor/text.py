"""An examination in plain words, and as data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from lpnet_agent.doctor.examine import Examination
from lpnet_agent.doctor.finding import Finding, listed

# Verdicts that ask for something are to be seen at a glance.
_SHOUTED = {"attend": "ATTEND", "bad": "BAD"}
_NAME = 24
_MARGIN = " " * (_NAME + 4)


def in_words(found: Examination) -> str:
    """Every finding in two or three lines, the signals, and one sentence at the end."""
    lines = [_opening(found)]
    for title, findings in found.themes:
        lines += ["", title]
        for finding in findings:
            lines += _lines(finding)
    if found.signals:
        lines += ["", "Signals of interference that this machine exposes"]
    lines += [f"  {s.name:{_NAME}}  {s.words}  [{s.source}]" for s in found.signals]
    return "\n".join([*lines, "", conclusion(found)])


def as_data(found: Examination) -> dict[str, Any]:
    """The same for programs."""
    return {
        "fit": found.fit,
        "conclusion": conclusion(found),
        "threads": found.threads,
        "cores": found.cores,
        "findings": [
            {"theme": title} | asdict(finding)
            for title, findings in found.themes
            for finding in findings
        ],
        "signals": [asdict(signal) for signal in found.signals],
    }


def conclusion(found: Examination) -> str:
    """Whether the device is fit for measuring, in one sentence."""
    bad, attend, unknown = (_named(found, kind) for kind in ("bad", "attend", "unknown"))
    unseen = f" {len(unknown)} things cannot be seen here." if len(unknown) > 1 else ""
    if bad:
        return f"Not fit for measuring, because of: {', '.join(bad)}.{unseen}"
    if attend:
        return f"Fit for measuring, with cautions: {', '.join(attend)}.{unseen}"
    return f"Fit for measuring.{unseen}"


def _opening(found: Examination) -> str:
    threads = f"{found.threads} thread{'s' if found.threads > 1 else ''}"
    if found.cores is None:
        return f"Judged for measuring with {threads}, not pinned to any core."
    return f"Judged for measuring with {threads} on {listed(found.cores)}."


def _lines(finding: Finding) -> Iterator[str]:
    verdict = _SHOUTED.get(finding.verdict, finding.verdict)
    yield f"  {finding.name:{_NAME}}  {verdict}: {finding.seen}"
    yield f"{_MARGIN}looked at: {finding.looked_at}"
    if finding.do is not None:
        yield f"{_MARGIN}to do: {finding.do}"


def _named(found: Examination, verdict: str) -> list[str]:
    return [finding.name for finding in found.findings if finding.verdict == verdict]
