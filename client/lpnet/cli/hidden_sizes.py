"""Hidden sizes of a block without a network: what each costs, and which are worth choosing."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from lpnet.errors import LpnetError

if TYPE_CHECKING:
    from lpnet.predictor.predictor import Predictor
    from lpnet.schemas.curve import Advice

# Hidden channels per channel of the input, as in the networks that blocks of a kind come from.
EXPANSION = {
    "conv": 1.0,
    "dwconv": 6.0,
    "mbconv": 6.0,
    "linear": 4.0,
    "ffn": 4.0,
    "swiglu": 8.0 / 3.0,
    "attention": 1.0,
}
COVERAGE = 0.9
MAX_STOPS = 30
# Smaller differences matter to nobody, even on a device that never varies.
_MIN_NOISE_PCT = 0.5
_RANGE = re.compile(r"(\d+)\.\.(\d+)")


@dataclass(frozen=True)
class Block:
    """A block of one kind: hidden sizes from `low` to `high`, and its fixed sizes by name."""

    kind: str
    low: int
    high: int
    fixed: dict[str, int]

    @classmethod
    def parse(cls, kind: str, hidden: str, **sizes: int | None) -> Block:
        """`hidden` is LOW..HIGH. Sizes that are None have their defaults. Raises LpnetError."""
        match = _RANGE.fullmatch(hidden.strip())
        low, high = map(int, match.groups()) if match else (1, 0)
        if not 1 <= low < high:
            raise LpnetError(f"--hidden {hidden}: write LOW..HIGH, such as 2048..4096")
        fixed = {name: size for name, size in sizes.items() if size is not None}
        if kind in ("conv", "dwconv", "mbconv"):
            _require(kind, fixed, "side", "the height and width of the images, pixels")
        else:
            _require(kind, fixed, "tokens", "the number of tokens")
        fixed.setdefault("channels", max(1, round(high / EXPANSION[kind])))
        return cls(kind, low, high, fixed)

    @property
    def sizes(self) -> dict[str, int]:
        """The sizes that `lpnet.zoo.block` takes, at the largest hidden size."""
        if self.kind != "attention":
            return {"hidden": self.high, **self.fixed}
        head = self.fixed.get("head_dim", 64)
        if self.high % head:
            raise LpnetError(f"--hidden: {self.high} is not a multiple of --head-dim {head}")
        return {"heads": self.high // head, **self.fixed}

    @property
    def title(self) -> str:
        """The kind with its fixed sizes, for people."""
        names = [
            name.replace("_", " ") + ("" if size is True else f" {size}")
            for name, size in self.fixed.items()
        ]
        return ", ".join([self.kind, *names])

    def command(self, target: str) -> str:
        """The command line that asks for this block."""
        options = [
            f"--{name.replace('_', '-')}" + ("" if size is True else f" {size}")
            for name, size in self.fixed.items()
        ]
        start = f"lpnet fast {self.kind} --hidden {self.low}..{self.high}"
        return " ".join([start, *options, f"--target {target}"])


def _require(kind: str, sizes: dict[str, int], name: str, meaning: str) -> None:
    if name not in sizes:
        raise LpnetError(f"{kind} needs --{name}: {meaning}")


@dataclass(frozen=True)
class FastSize:
    """A hidden size that every larger one costs more than, with its latency in ms and interval.

    `stop`: it is cheaper than the next larger stop by more than `listed_within_pct`.
    """

    hidden: int
    ms: float
    low_ms: float
    high_ms: float
    stop: bool


@dataclass(frozen=True)
class HiddenSizes:
    """Latency of a block as a function of its hidden size."""

    fast: tuple[FastSize, ...]
    advice: tuple[Advice, ...]
    same_within_pct: float
    listed_within_pct: float
    noise_floor_pct: float | None

    def facts(self) -> dict[str, Any]:
        return {
            "fast": [asdict(size) for size in self.fast],
            "advice": [advice.model_dump(mode="json") for advice in self.advice],
            "same_within_pct": self.same_within_pct,
            "listed_within_pct": self.listed_within_pct,
            "noise_floor_pct": self.noise_floor_pct,
            "coverage": COVERAGE,
        }


def hidden_sizes(predictor: Predictor, block: Block, noise: float | None) -> HiddenSizes:
    """The fast hidden sizes of a block, and advice. `noise` is the target's noise floor, percent.

    At most `MAX_STOPS` sizes are stops: sizes may differ by more than the noise to count as equal.
    """
    from lpnet.predictor.advice import LineCosts, advise, same_within_pct

    width = predictor.space.widths[0]
    line = predictor.line(width.name, coverage=COVERAGE)
    # A head of attention has channels of queries, keys and values.
    values = [int(value) * block.high // width.max for value in line.values]
    first = next(i for i, value in enumerate(values) if value >= block.low)
    part = values[first:]
    ms, low, high = (t[first:].numpy() for t in (line.ms, line.touched_low, line.touched_high))
    floor = None if noise is None else max(noise, _MIN_NOISE_PCT)
    same = within = same_within_pct(floor)
    while len(stretches := LineCosts(part, ms, low, high, within / 100.0).stretches()) > MAX_STOPS:
        within *= 1.5
    stops = {stretch.stop for stretch in stretches}
    fast = tuple(
        FastSize(
            value,
            float(line.ms[index]),
            float(line.low[index]),
            float(line.high[index]),
            index - first in stops,
        )
        for index, value in enumerate(values)
        if index >= first and line.fast[index]
    )
    return HiddenSizes(fast, advise(part, ms, low, high, floor), same, within, noise)
