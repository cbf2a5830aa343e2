"""Breaking lpnet on purpose: the harness has to see each error, and none without.

`apply` changes functions of lpnet in this process. Checks that lpnet makes of itself are switched
off with it, so that the harness alone is on trial.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.spaces.catalogue import chosen
from benchmarks.spaces.record import Record
from benchmarks.spaces.running import Limits, judge

CONTROL = "nothing"
FILE = "sabotage.json"
NOT_SEEN = "NOT SEEN"


@dataclass(frozen=True)
class Sabotage:
    """An error, and the family that it is tried on. `what` completes "lpnet ..."."""

    name: str
    what: str
    family: str
    apply: Callable[[], None]


def apply(name: str) -> None:
    """Break this process's lpnet in one way; for `nothing` only its own checks are off."""
    _trust_everything()
    for sabotage in SABOTAGES:
        if sabotage.name == name:
            sabotage.apply()


def main(limits: Limits, folder: Path) -> int:
    """Judge each family broken and whole. 1 if an error is not seen, or one is seen in whole.

    The rows of the table are written into the folder, as they come.
    """
    rows = []
    wholes: dict[str, Record] = {}
    for sabotage in SABOTAGES:
        family = sabotage.family
        if family not in wholes:
            wholes[family] = _judge(family, CONTROL, limits)
        broken = _judge(family, sabotage.name, limits)
        row = _row(sabotage, wholes[family], broken)
        rows.append(row)
        print("  ".join(row.values()), flush=True)
        (folder / FILE).write_text(json.dumps(rows, indent=1) + "\n")
    seen = sum(row["seen by"] != NOT_SEEN for row in rows)
    print(f"{seen} of {len(SABOTAGES)} seen")
    return 0 if seen == len(SABOTAGES) else 1


def _row(sabotage: Sabotage, whole: Record, broken: Record) -> dict[str, str]:
    # What from_model raises would be seen without a harness.
    seen = [failure for failure in broken.failures if failure.stage not in _WITHOUT_HARNESS]
    stages = ", ".join(dict.fromkeys(failure.stage for failure in seen))
    first = seen[0].error if seen else ""
    if whole.failures:
        stages, first = NOT_SEEN, f"fails without it: {whole.failures[0].error}"
    return {
        "lpnet": sabotage.what,
        "family": sabotage.family,
        "seen by": stages or NOT_SEEN,
        "first error": first[:160],
    }


_WITHOUT_HARNESS = frozenset({"build", "export", "space", "process"})


def _judge(family: str, sabotage: str, limits: Limits) -> Record:
    with tempfile.TemporaryDirectory() as folder:
        return judge(
            chosen([family])[0], Path(folder) / "record.json", limits, ["--sabotage", sabotage]
        )


def _patch(path: str, change: Callable[[Any], Any]) -> None:
    """Replace an attribute, by its dotted path, by what `change` makes of it."""
    owner_path, _, name = path.rpartition(".")
    try:
        owner = import_module(owner_path)
    except ModuleNotFoundError:
        module, _, kind = owner_path.rpartition(".")
        owner = getattr(import_module(module), kind)
    setattr(owner, name, change(getattr(owner, name)))


def _trust_everything() -> None:
    _patch("lpnet.space.trial.Trial.failing", lambda _: lambda *_: {})
    _patch("lpnet.space.prune._check", lambda _: lambda *_: None)


def _forget_additions() -> None:
    def change(unite: Any) -> Any:
        def forgetful(state: Any, left: Any, right: Any, node: Any, *reason: Any) -> None:
            if node.op != "Add":
                unite(state, left, right, node, *reason)

        return forgetful

    _patch("lpnet.space.solver.state.State.unite", change)


def _reverse_concats() -> None:
    def change(rules: Any) -> Any:
        concat = rules["Concat"]
        backwards = {
            "Concat": lambda state, node: concat(state, replace(node, inputs=node.inputs[::-1]))
        }
        return {**rules, **backwards}

    for module in ("rules.registry", "solution"):
        _patch(f"lpnet.space.solver.{module}.RULES", change)


def _forget_groups() -> None:
    # Counts that are equal are enough only where the channels are a whole width in order.
    _patch(
        "lpnet.space.solver.solution.settle_grouped",
        lambda _: lambda state, arrays: list(state.grouped),
    )


def _cut_groups_alike() -> None:
    def change(kept: Any) -> Any:
        def alike(parameter: Any, atoms: Any) -> Any:
            by_group = kept(parameter, atoms)
            return None if by_group is None else [by_group[0]] * len(by_group)

        return alike

    _patch("lpnet.space.parameters.Parameter.kept_by_group", change)


def _forget_heads() -> None:
    _patch("lpnet.space.solver.rules.contraction._tie", lambda _: lambda *_: None)


def _keep_others_in_onnx() -> None:
    def change(atoms_of: Any) -> Any:
        def first(widths: Any, kept: Any) -> Any:
            return {name: range(len(atoms)) for name, atoms in atoms_of(widths, kept).items()}

        return first

    _patch("lpnet.space.prune_onnx.kept_atoms", change)


def _cut_beside() -> None:
    def change(kept: Any) -> Any:
        def beside(parameter: Any, atoms: Any) -> Any:
            return [
                indices
                if indices is None or axis != 1 or len(indices) == side
                else sorted((index + 1) % side for index in indices)
                for axis, (indices, side) in enumerate(
                    zip(kept(parameter, atoms), parameter.dense, strict=True)
                )
            ]

        return beside

    _patch("lpnet.space.parameters.Parameter.kept", change)


def _keep_attributes() -> None:
    _patch("lpnet.space.prune.update_attributes", lambda _: lambda before, after: None)


def _forget_macs() -> None:
    def change(macs: Any) -> Any:
        def short(table: Any, widths: Any) -> Any:
            last = max(i for i, row in enumerate(table.rows) if row.type in ("conv2d", "linear"))
            return macs(table, widths) - macs(table.slice(last, last + 1), widths)

        return short

    _patch("lpnet.space.table.OpTable.macs", change)


SABOTAGES = (
    Sabotage(
        "indices",
        "cuts the inputs of each weight one channel off",
        "transformers/ResNetForImageClassification",
        _cut_beside,
    ),
    Sabotage(
        "onnx",
        "keeps the first channels in an ONNX model, not those of the pruning",
        "transformers/ResNetForImageClassification",
        _keep_others_in_onnx,
    ),
    Sabotage(
        "macs",
        "forgets the multiply-accumulates of the last layer",
        "transformers/ResNetForImageClassification",
        _forget_macs,
    ),
    Sabotage(
        "alike",
        "cuts all groups of a grouped convolution like the first",
        "transformers/RegNetModel",
        _cut_groups_alike,
    ),
    Sabotage(
        "heads",
        "does not tie the heads of queries and keys",
        "transformers/ViTForImageClassification",
        _forget_heads,
    ),
    Sabotage(
        "concat",
        "takes the inputs of a concat in reverse order",
        "monai/BasicUNet",
        _reverse_concats,
    ),
    Sabotage(
        "residual",
        "does not tie what an addition adds",
        "transformers/EfficientNetModel",
        _forget_additions,
    ),
    Sabotage(
        "attributes",
        "does not update the numbers of channels and groups of modules",
        "transformers/EfficientNetModel",
        _keep_attributes,
    ),
    Sabotage(
        "groups",
        "does not align the groups of a grouped convolution",
        "pytorchcv/shufflenet_g3_wd4",
        _forget_groups,
    ),
)
