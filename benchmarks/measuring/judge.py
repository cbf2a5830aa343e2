"""What the agent's rules accept and refuse, on recordings whose truth is known.

    python -m benchmarks.measuring.judge FILE [...]

Replays recordings of `benchmarks.measuring.recorder` as jobs, with and without the probes between
repeats: as they were recorded, and beside simulated neighbours that take a third of the core in
spells of 30 ms, 1 s and 60 s in the mean.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.measuring.neighbours import Spells, beside
from benchmarks.measuring.recording import Recording
from benchmarks.measuring.replay import Replayed, replay
from benchmarks.measuring.truth import truths

SPELLS_S = (0.03, 1.0, 60.0)
# A sample is off if its error exceeds this.
OFF = 0.03


@dataclass(frozen=True)
class Verdict:
    """Samples of a recording: how many were taken, would have been off by a plain median, were
    refused, were refused although they were not off, and were accepted although they were off.
    `error` is the median absolute error of those accepted, `visits` the mean per sample."""

    samples: int
    plain_off: int
    refused: int
    good_refused: int
    accepted_off: int
    error: float
    visits: float

    @classmethod
    def of(cls, samples: Sequence[Replayed]) -> Verdict:
        accepted = [abs(sample.error) for sample in samples if not sample.refused]
        refused = [abs(sample.error) for sample in samples if sample.refused]
        return cls(
            samples=len(samples),
            plain_off=sum(abs(sample.plain_error) > OFF for sample in samples),
            refused=len(refused),
            good_refused=sum(error <= OFF for error in refused),
            accepted_off=sum(error > OFF for error in accepted),
            error=float(np.median(accepted)) if accepted else float("nan"),
            visits=float(np.mean([sample.visits for sample in samples])),
        )


def verdicts(recording: Recording) -> dict[str, dict[str, Verdict]]:
    """By scenario, without and with probes."""
    true = truths(recording)
    scenarios = {"as recorded": recording} | {
        f"neighbour, spells of {seconds:g} s": beside(recording, Spells(seconds))
        for seconds in SPELLS_S
    }
    return {
        name: {
            "without probes": Verdict.of(list(replay(scenario, true, probed=False))),
            "with probes": Verdict.of(list(replay(scenario, true))),
        }
        for name, scenario in scenarios.items()
    }


def table(results: dict[str, dict[str, Verdict]]) -> str:
    lines = [
        "| scenario | rules | samples | plain median more than 3% off | refused | of them good "
        "| accepted: median error | accepted and more than 3% off | visits per sample |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for scenario, by_rules in results.items():
        for rules, verdict in by_rules.items():
            accepted = verdict.samples - verdict.refused
            off = f"{verdict.accepted_off} ({verdict.accepted_off / max(1, accepted):.1%})"
            lines.append(
                f"| {scenario} | {rules} | {verdict.samples} | {verdict.plain_off} "
                f"| {verdict.refused} | {verdict.good_refused} | {verdict.error:.2%} | {off} "
                f"| {verdict.visits:.1f} |"
            )
    return "\n".join(lines)


def main() -> None:
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("files", type=Path, nargs="+")
    for file in parser.parse_args().files:
        recording = Recording.load(file)
        known = [truth for truth in truths(recording).values() if truth.known]
        print(f"{file.name}: {len(recording.visits)} visits in {recording.seconds / 60:.0f} min, ")
        print(f"truth known of {len(known)} of {len(recording.names)} workloads\n")
        print(table(verdicts(recording)), "\n")


if __name__ == "__main__":
    main()
