"""The study's results as Markdown tables."""

from __future__ import annotations

import json
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.pruning.study.setting import METHODS, RESULTS

# A network this close to the budget is compared in the README.
TOLERANCE = 0.03
_LPNET_METHODS = ("wgates", "magnitude")
_MODELS = {"mobilenet_v2_32": "MobileNetV2, 32x32", "resnet20": "ResNet-20"}
_COLUMNS = (
    "method",
    "top-1",
    "measured ms",
    "of budget",
    "predicted ms",
    "MACs",
    "parameters",
    "training s",
    "device s",
    "measurements",
)
_SHORT_COLUMNS = ("method", "top-1", "measured ms", "of budget", "MACs", "device s")


@dataclass(frozen=True)
class Study:
    """The results of one network at one budget.

    `compared_ms` holds the latency of each network in the session that measured all of them, by
    method, and of the dense network as `dense`. It is empty before that session.
    """

    results: dict[str, dict[str, Any]]
    compared_ms: dict[str, float]

    @property
    def setting(self) -> dict[str, Any]:
        cell: dict[str, Any] = self._first["cell"]
        return cell

    @property
    def model(self) -> str:
        name: str = self.setting["model"]
        return _MODELS.get(name, name)

    @property
    def dense_ms(self) -> float:
        dense: float = self.compared_ms.get("dense", self._first["dense_ms"])
        return dense

    @property
    def budget_ms(self) -> float:
        share: float = self.setting["share"]
        return share * self.dense_ms

    @property
    def _first(self) -> dict[str, Any]:
        return next(iter(self.results.values()))

    def share_of_budget(self, method: str) -> float | None:
        """The measured latency of a method's network over the budget."""
        measured = self.compared_ms.get(method)
        return None if measured is None else measured / self.budget_ms

    def share_when_chosen(self, method: str) -> float:
        """The same as measured while the method looked for its network."""
        result = self.results[method]
        shares = [row["share"] for row in result["tries"] if row["widths"] == result["widths"]]
        closest: float = min(shares, key=lambda share: abs(share - 1))
        return closest

    def lpnet_error(self, method: str) -> float:
        """LPNet's prediction against the compared latency, relative to that latency."""
        predicted: float = self.results[method]["lpnet_predicted_ms"]
        return predicted / self.compared_ms[method] - 1

    def methods_without_lpnet(self) -> list[str]:
        return [method for method in self.results if method not in _LPNET_METHODS]

    def row(self, method: str) -> list[str]:
        """The cells of a method's row, for all columns but the first."""
        if method not in self.results:
            return [""] * (len(_COLUMNS) - 1)
        result = self.results[method]
        profile, device = result["profile"], result["device"]
        profile_s = f"{profile['seconds']:.0f} + " if profile["samples"] else ""
        profile_samples = f"{profile['samples']} + " if profile["samples"] else ""
        predicted = result["predicted_ms"]
        measured, share = self.compared_ms.get(method), self.share_of_budget(method)
        return [
            f"{100 * result['top1']:.2f}",
            "" if measured is None else f"{measured:.3f}",
            "" if share is None else f"{100 * share:.1f}%",
            "" if predicted is None else f"{predicted:.3f}",
            f"{result['macs'] / 1e6:.1f} M",
            f"{result['params'] / 1e3:.0f} k",
            f"{sum(result['train_seconds'].values()):.0f}",
            f"{profile_s}{device['seconds']:.0f}",
            f"{profile_samples}{device['samples']}",
        ]

    def dense_row(self) -> list[str]:
        first = self._first
        return [
            f"{100 * first['top1_start']:.2f}",
            f"{self.dense_ms:.3f}",
            "",
            "",
            f"{first['dense_macs'] / 1e6:.1f} M",
            f"{first['dense_params'] / 1e3:.0f} k",
            *[""] * 3,
        ]


def studies() -> list[Study]:
    """Every study that has results, in the order of their folders."""
    folders = sorted(path for path in RESULTS.glob("*") if path.is_dir())
    return [study for study in map(_load, folders) if study.results]


def markdown(*, short: bool = False) -> str:
    """A table for each network, with a row for every method; what is missing is empty."""
    return "\n\n".join(_table(study, short) for study in studies())


def predictions() -> str:
    """For each network, what LPNet predicted for the choice of every method."""
    return "\n\n".join(_predictions(study) for study in studies() if study.compared_ms)


def at_budget() -> str:
    """For each network, the methods within TOLERANCE of the budget, the most accurate first."""
    tables = []
    for study in studies():
        shares = {method: study.share_of_budget(method) for method in study.results}
        kept = {m: s for m, s in shares.items() if s is not None and abs(s - 1) <= TOLERANCE}
        rows = [
            [METHODS[method], f"{100 * study.results[method]['top1']:.2f}", f"{100 * share:.1f}%"]
            for method, share in kept.items()
        ]
        rows.sort(key=lambda row: -float(row[1]))
        heading = f"{study.model} ({len(kept)} of {len(shares)} methods)"
        tables.append(_rows([heading, "top-1", "latency, of budget"], rows))
    return "\n\n".join(tables)


def _load(folder: Path) -> Study:
    results = {
        method: json.loads((folder / f"{method}.json").read_text())
        for method in METHODS
        if (folder / f"{method}.json").exists()
    }
    file = folder / "compared.json"
    networks = json.loads(file.read_text())["networks"] if file.exists() else {}
    return Study(results, {name: network["ms"] for name, network in networks.items()})


def _table(study: Study, short: bool) -> str:
    columns = _SHORT_COLUMNS if short else _COLUMNS
    pretrain = study.setting["schedule"]["pretrain"]
    rows = [
        [f"dense, after the first {pretrain} epochs only", *study.dense_row()],
        *([name, *study.row(method)] for method, name in METHODS.items()),
    ]
    indices = [_COLUMNS.index(column) for column in columns]
    return f"{_heading(study)}\n\n{_rows(columns, [[row[i] for i in indices] for row in rows])}"


def _heading(study: Study) -> str:
    setting, schedule = study.setting, study.setting["schedule"]
    cpu = next(iter(study.results.values()))["hardware"]["cpu"]
    return (
        f"### {study.model}, batch {setting['batch']}, {100 * setting['share']:.0f}% of "
        f"dense latency: {study.budget_ms:.3f} ms\n\n"
        f"{cpu}, ONNX Runtime on {setting['threads']} thread, seed {setting['seed']}. "
        f"Every method trains for {schedule['pretrain']} + {schedule['gate']} + "
        f"{schedule['tune']} epochs."
    )


def _predictions(study: Study) -> str:
    rows = []
    for method in study.results:
        share = study.share_of_budget(method)
        rows.append(
            [
                METHODS[method],
                f"{100 * study.share_when_chosen(method):.1f}%",
                "" if share is None else f"{100 * share:.1f}%",
                f"{study.results[method]['lpnet_predicted_ms']:.3f}",
                f"{study.compared_ms[method]:.3f}",
                f"{100 * study.lpnet_error(method):+.1f}%",
            ]
        )
    columns = [
        study.model,
        "of budget when chosen",
        "of budget when compared",
        "LPNet's prediction, ms",
        "compared, ms",
        "error",
    ]
    errors = [abs(study.lpnet_error(method)) for method in study.methods_without_lpnet()]
    return (
        f"{_rows(columns, rows)}\n\n"
        f"Error on the {len(errors)} networks of methods without LPNet: median "
        f"{100 * statistics.median(errors):.1f}%, maximum {100 * max(errors):.1f}%."
    )


def _rows(columns: list[str] | tuple[str, ...], rows: list[list[str]]) -> str:
    lines = [f"| {' | '.join(columns)} |", f"|---|{'---:|' * (len(columns) - 1)}"]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join(lines)
