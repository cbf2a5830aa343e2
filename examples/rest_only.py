"""Widths that keep a latency budget, by numpy and the REST API alone: no torch, no lpnet.

    lpnet space resnet20 --out resnet20.onnx        # wherever lpnet is installed
    python examples/rest_only.py TARGET resnet20.onnx [--budget 0.6]

The service is that of LPNET_URL. Projected gradient descent finds widths near the whole network's,
and a search over fast widths ends there.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]

URL = os.environ.get("LPNET_URL", "http://127.0.0.1:8000").rstrip("/")
STEPS, RATE = 40, 0.2
# Latency over channels is a comb, whose slope at a point says little: it is averaged over points
# drawn so many channels around it.
POINTS, AROUND = 32, 8
LEAST = 0.1  # share of a width that is kept


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("target", help=f"that has an LPNet; {URL}/v1/targets lists all")
    parser.add_argument("space", type=Path, help="file that `lpnet space` wrote")
    parser.add_argument("--budget", type=float, default=0.6, help="share of the dense latency")
    options = parser.parse_args()

    if not options.space.is_file():
        sys.exit(f"there is no file {options.space}; `lpnet space resnet20 --out FILE` writes one")
    job = Job(options.target, options.space.read_bytes())
    (dense_ms,) = job.latency(job.most[None])
    budget_ms = options.budget * dense_ms
    widths = job.snap(job.descend(budget_ms), budget_ms)

    (answer,) = job.predict(widths[None])
    named = dict(zip(job.names, widths.astype(int).tolist(), strict=True))
    print(f"widths: {json.dumps(named)}")
    print(f"budget: {budget_ms:.4f} ms of {dense_ms:.4f}")
    low, high = answer["low_ms"], answer["high_ms"]
    print(f"predicted: {answer['latency_ms']:.4f} ms, 90% between {low:.4f} and {high:.4f}")


class Job:
    """A space on a target. Widths are vectors (L,) in its order, many of them (B, L)."""

    def __init__(self, target: str, file: bytes) -> None:
        # A space that the service has already is not stored twice.
        space = post("spaces", file, "application/octet-stream")
        widths = space["widths"]
        self.target, self.space = target, space["hash"]
        self.names = [width["name"] for width in widths]
        self.most = np.array([width["max"] for width in widths], dtype=float)
        self.granule = np.array([width["granule"] for width in widths], dtype=float)
        self.least = np.maximum(self.granule, LEAST * self.most)

    def predict(self, widths: Vector, gradient: bool = False) -> list[dict[str, Any]]:
        body = {"target": self.target, "space": self.space, "gradient": gradient}
        sent = json.dumps(body | {"widths": widths.tolist()}).encode()
        found: list[dict[str, Any]] = post("predictions", sent, "application/json")["predictions"]
        return found

    def latency(self, widths: Vector) -> Vector:
        """Milliseconds (B,) of widths (B, L)."""
        return np.array([answer["latency_ms"] for answer in self.predict(widths)], dtype=float)

    def descend(self, budget_ms: float) -> Vector:
        """The widths (L,) nearest to the dense ones, in shares, that take the budget."""
        draw = np.random.default_rng(0)
        share = np.ones(len(self.most))
        for _ in range(STEPS):
            around = draw.uniform(-AROUND, AROUND, (POINTS, len(share)))
            points = np.clip(share * self.most + around, self.granule, self.most)
            answers = self.predict(points, gradient=True)
            ms = np.mean([answer["latency_ms"] for answer in answers])
            slopes = [[answer["gradient"][name] for name in self.names] for answer in answers]
            slope = np.mean(slopes, axis=0) * self.most  # ms per share
            # Down the distance to the dense network, and from there back into the budget.
            step = RATE * (1 - share)
            excess = max(0.0, ms + slope @ step - budget_ms)
            share = share + step - slope * excess / (slope @ slope)
            share = np.clip(share, self.least / self.most, 1)
        return np.array(share * self.most)

    def snap(self, widths: Vector, budget_ms: float) -> Vector:
        """Fast widths (L,) near these, within the budget. All round up, then one after the other
        goes down, each time the one that saves most for what it gives up, until they fit; what
        fits beside them then goes up again."""
        fast = [self.fast(place) for place in range(len(widths))]
        now = np.array([f[f >= width].min() for f, width in zip(fast, widths, strict=True)])
        while (ms := self.latency(now[None])[0]) > budget_ms:
            tried = others(now, [f[f < k][-1:] for f, k in zip(fast, now, strict=True)])
            if not len(tried):
                sys.exit(f"no widths found within {budget_ms:.4f} ms: these take {ms:.4f}")
            saved = ms - self.latency(tried)
            now = tried[np.argmax(saved / np.log(now / tried).sum(1))]
        while len(tried := others(now, [f[f > k][:1] for f, k in zip(fast, now, strict=True)])):
            fitting = tried[self.latency(tried) <= budget_ms]
            if not len(fitting):
                break
            now = fitting[np.argmax(np.log(fitting / now).sum(1))]
        return now

    def fast(self, place: int) -> Vector:
        """Values of a width that no larger one beats, the others being dense; ascending."""
        values = np.arange(self.granule[place], self.most[place] + 1, self.granule[place])
        values = values[values >= self.least[place]]
        tried = np.tile(self.most, (len(values), 1))
        tried[:, place] = values
        ms = self.latency(tried)
        wider = np.append(ms[1:], np.inf)
        least: Vector = np.minimum.accumulate(wider[::-1])[::-1]
        return np.array(values[ms < least])


def others(now: Vector, values: list[Vector]) -> Vector:
    """Widths (B, L), each of which differs from these (L,) in one place, by a value for it."""
    rows = [(place, value) for place, given in enumerate(values) for value in given]
    tried = np.tile(now, (len(rows), 1))
    for row, (place, value) in zip(tried, rows, strict=True):
        row[place] = value
    return tried


def post(path: str, content: bytes, kind: str) -> Any:
    """The JSON that the service answers; ends with its words where that is an error."""
    request = urllib.request.Request(f"{URL}/v1/{path}", content, {"Content-Type": kind})
    if token := os.environ.get("LPNET_TOKEN"):
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        problem = json.load(error)
        hint = "; `lpnet profile TARGET FILE` does" if problem["code"] == "no_lpnet" else ""
        sys.exit(f"{problem['detail']}{hint}")
    except urllib.error.URLError as error:
        sys.exit(f"no answer from {URL}: {error.reason}")


if __name__ == "__main__":
    main()
