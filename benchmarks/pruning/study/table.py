"""The study as Markdown: a table for each network, budget and batch; what is missing is empty."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.pruning.study.setting import METHODS, RESULTS

_HEAD = (
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
_SHORT = ("method", "top-1", "measured ms", "of budget", "MACs", "device s")


def markdown(*, short: bool = False) -> str:
    """All tables there are; `short` has fewer columns."""
    folders = sorted(path for path in RESULTS.glob("*") if path.is_dir())
    return "\n\n".join(_table(folder, _SHORT if short else _HEAD) for folder in folders)


def _table(folder: Path, columns: tuple[str, ...]) -> str:
    cells = {
        name: json.loads((folder / f"{name}.json").read_text())
        for name in METHODS
        if (folder / f"{name}.json").exists()
    }
    if not cells:
        return f"### {folder.name}\n\nnothing yet"
    compared = _compared(folder)
    some = next(iter(cells.values()))
    lines = [
        _title(some, compared),
        "",
        f"| {' | '.join(columns)} |",
        f"|---|{'---:|' * (len(columns) - 1)}",
        _row("dense", _dense(some, compared), columns),
    ]
    lines += [
        _row(words, _figures(cells[name], compared) if name in cells else [], columns)
        for name, words in METHODS.items()
    ]
    return "\n".join(lines)


def _title(cell: dict[str, Any], compared: dict[str, float]) -> str:
    asked, schedule = cell["cell"], cell["cell"]["schedule"]
    budget = asked["share"] * _dense_ms(cell, compared)
    return (
        f"### {asked['model']}, batch {asked['batch']}, {100 * asked['share']:.0f}% of dense "
        f"latency: {budget:.3f} ms\n\n"
        f"{cell['hardware']['cpu']}, ONNX Runtime on {asked['threads']} thread; trained for "
        f"{schedule['pretrain']} epochs, then {schedule['gate']} and {schedule['tune']} by each "
        f"method, seed {asked['seed']}."
    )


def _compared(folder: Path) -> dict[str, float]:
    file = folder / "compared.json"
    if not file.exists():
        return {}
    return {name: one["ms"] for name, one in json.loads(file.read_text())["networks"].items()}


def _dense_ms(cell: dict[str, Any], compared: dict[str, float]) -> float:
    """In the session in which all were compared, where there was one."""
    dense: float = compared.get("dense", cell["dense_ms"])
    return dense


def _dense(cell: dict[str, Any], compared: dict[str, float]) -> list[str]:
    return [
        f"{100 * cell['top1_start']:.2f}",
        f"{_dense_ms(cell, compared):.3f}",
        "",
        "",
        f"{cell['dense_macs'] / 1e6:.1f} M",
        f"{cell['dense_params'] / 1e3:.0f} k",
        "",
        "",
        "",
    ]


def _figures(cell: dict[str, Any], compared: dict[str, float]) -> list[str]:
    profile, device = cell["profile"], cell["device"]
    once = f"{profile['seconds']:.0f} + " if profile["samples"] else ""
    samples = f"{profile['samples']} + " if profile["samples"] else ""
    measured = compared.get(cell["cell"]["method"])
    share = measured and measured / (cell["cell"]["share"] * _dense_ms(cell, compared))
    return [
        f"{100 * cell['top1']:.2f}",
        "" if measured is None else f"{measured:.3f}",
        "" if share is None else f"{100 * share:.1f}%",
        "" if cell["predicted_ms"] is None else f"{cell['predicted_ms']:.3f}",
        f"{cell['macs'] / 1e6:.1f} M",
        f"{cell['params'] / 1e3:.0f} k",
        f"{sum(cell['train_seconds'].values()):.0f}",
        f"{once}{device['seconds']:.0f}",
        f"{samples}{device['samples']}",
    ]


def _row(name: str, figures: list[str], columns: tuple[str, ...]) -> str:
    given = dict(zip(_HEAD, [name, *(figures or [""] * (len(_HEAD) - 1))], strict=True))
    return f"| {' | '.join(given[column] for column in columns)} |"
