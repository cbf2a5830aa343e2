"""An examination as text, and as data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lpnet_agent.doctor.examination import Examination
from lpnet_agent.doctor.finding import Finding, format_cores

# Verdicts that call for action stand out.
_VERDICTS = {"attend": "CAUTION", "bad": "BAD"}
_NAME_WIDTH = 24
_INDENT = " " * (_NAME_WIDTH + 4)


def format_report(examination: Examination) -> str:
    lines = [_heading(examination)]
    for title, findings in examination.themes:
        lines += ["", title]
        for finding in findings:
            lines += _format_finding(finding)
    if examination.signals:
        lines += ["", "Signals of interference that this machine exposes"]
    for signal in examination.signals:
        lines.append(f"  {signal.name:{_NAME_WIDTH}}  {signal.description}  [{signal.source}]")
    return "\n".join([*lines, "", conclusion(examination)])


def as_data(examination: Examination) -> dict[str, Any]:
    return {
        "fit": examination.fit,
        "conclusion": conclusion(examination),
        "threads": examination.threads,
        "cores": examination.cores,
        "findings": [
            {
                "theme": title,
                "name": finding.name,
                "verdict": finding.verdict,
                "looked_at": finding.source,
                "seen": finding.observation,
                "do": finding.remedy,
            }
            for title, findings in examination.themes
            for finding in findings
        ],
        "signals": [
            {"name": signal.name, "source": signal.source, "seen": signal.reading}
            for signal in examination.signals
        ],
    }


def conclusion(examination: Examination) -> str:
    bad, cautions, unknown = (_names(examination, v) for v in ("bad", "attend", "unknown"))
    suffix = f" {len(unknown)} things are unknown here." if len(unknown) > 1 else ""
    if bad:
        return f"Not fit for measuring, because of: {', '.join(bad)}.{suffix}"
    if cautions:
        return f"Fit for measuring, with cautions: {', '.join(cautions)}.{suffix}"
    return f"Fit for measuring.{suffix}"


def _heading(examination: Examination) -> str:
    threads = f"{examination.threads} thread{'s' if examination.threads > 1 else ''}"
    if examination.cores is None:
        return f"Examined for measuring with {threads}, not pinned to any core."
    return f"Examined for measuring with {threads} on {format_cores(examination.cores)}."


def _format_finding(finding: Finding) -> Iterator[str]:
    verdict = _VERDICTS.get(finding.verdict, finding.verdict)
    yield f"  {finding.name:{_NAME_WIDTH}}  {verdict}: {finding.observation}"
    yield f"{_INDENT}looked at: {finding.source}"
    if finding.remedy is not None:
        yield f"{_INDENT}to do: {finding.remedy}"


def _names(examination: Examination, verdict: str) -> list[str]:
    return [finding.name for finding in examination.findings if finding.verdict == verdict]
