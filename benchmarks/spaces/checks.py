"""What must be true of a space and of each pruning."""

from __future__ import annotations

import copy
from functools import cached_property

import onnx
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor
from torch.utils._pytree import tree_leaves

from benchmarks.spaces import counts, reference
from benchmarks.spaces.drawing import Kept
from benchmarks.spaces.exporting import export
from benchmarks.spaces.networks import Example, difference, double, in_double, run, run_onnx
from benchmarks.spaces.record import Recorder, Wrong
from lpnet.schemas import ops
from lpnet.space.space import Space

# Of the largest number of an output. Double precision leaves 1e-13 or so.
TOLERANCE = 1e-7
FLOAT_TOLERANCE = 1e-3
# A pruning that changes the outputs by less shows nothing.
LEAST_EFFECT = 1e-4
# Double precision of larger networks takes more memory and time than it is worth.
_MOST_PARAMETERS = 80_000_000
_MOST_MACS = 1_500_000_000


class Checks:
    """The checks of a family's space. Each notes its failures in the recorder."""

    def __init__(
        self,
        model: nn.Module,
        example: Example,
        dense: list[Tensor],
        space: Space,
        recorder: Recorder,
    ) -> None:
        self._model = model
        self._example = example
        self._dense = dense
        self._space = space
        self._recorder = recorder
        self._loaded: Space | None = None
        size = sum(parameter.numel() for parameter in model.parameters())
        self._in_double = size <= _MOST_PARAMETERS and space.macs(space.dense) <= _MOST_MACS

    def untouched(self) -> None:
        """The user's model is left as it was."""
        with self._recorder.stage("untouched"):
            if any(module.training for module in self._model.modules()):
                raise Wrong("from_model left a module in training mode")
            _check_attributes(self._model)
            if difference(run(self._model, self._example), self._dense) > 0:
                raise Wrong("from_model changed what the model computes")

    def saved(self) -> None:
        """The file of a space is the space."""
        with self._recorder.stage("loaded"):
            loaded = Space.from_bytes(self._space.to_bytes())
            if loaded != self._space or loaded.widths != self._space.widths:
                raise Wrong("a space that is saved and loaded is another")
            self._loaded = loaded

    def pruning(self, kept: Kept, *, concrete: bool, thorough: bool) -> None:
        """A pruned copy computes, counts and runs as the space says.

        `concrete`: the concrete model, and the loaded space, are checked too. `thorough`: so are
        exports, which take most of the time.
        """
        stage = self._recorder.stage
        pruned: nn.Module | None = None
        with stage("prune"):
            pruned = self._space.prune(self._model, kept)
        if pruned is None:
            return
        widths = {name: len(channels) for name, channels in kept.items()}
        outputs: list[Tensor] = []
        with stage("runs"):
            outputs = self._runs(pruned)
        if not outputs:
            return
        with stage("function"):
            self._function(pruned)
        with stage("macs"):
            self._macs(pruned, widths)
        if concrete:
            with stage("concrete"):
                self._concrete(widths, outputs)
        if thorough:
            with stage("onnx"):
                self._onnx(kept, outputs)
        if concrete and self._loaded is not None:
            with stage("loaded"):
                self._prunes_alike(self._loaded, pruned, kept)
        if thorough:
            with stage("retraced"):
                self._retraced(pruned, widths)

    def _runs(self, pruned: nn.Module) -> list[Tensor]:
        try:
            outputs = run(pruned, self._example)
        except Exception as error:
            raise Wrong(f"the pruned module does not run: {error}") from error
        if [t.shape for t in outputs] != [t.shape for t in self._dense]:
            raise Wrong(
                f"the pruned module returns {[tuple(t.shape) for t in outputs]}, "
                f"the dense one {[tuple(t.shape) for t in self._dense]}"
            )
        return outputs

    def _function(self, pruned: nn.Module) -> None:
        record = self._recorder.record
        try:
            positions = reference.kept_positions(self._model, pruned)
        except reference.Mismatch as error:
            raise Wrong(str(error)) from error
        example, tolerance = self._example, FLOAT_TOLERANCE
        result = pruned
        if self._in_double:
            example, tolerance = double(example), TOLERANCE
            result = in_double(pruned)
        dense, before = self._reference
        outputs = run(result, example)
        if not all(torch.isfinite(t).all() for t in outputs if t.is_floating_point()):
            raise Wrong("outputs are not finite")
        worst, effect = 0.0, 0.0
        for seed in (1, 2):
            masked = run(reference.masked(dense, positions, seed), example)
            worst = max(worst, difference(outputs, masked))
            effect = max(effect, difference(masked, before) if positions else 0.0)
        record.effect = max(effect, record.effect or 0.0)
        if worst > tolerance:
            # A product of two activations sums over channels, and no weight can ignore some.
            summed = run(reference.masked(dense, positions, None), example)
            if difference(outputs, summed) <= tolerance:
                record.notes.append("sums of activations lack removed channels")
                return
            raise Wrong(f"outputs differ by {worst:.1e} from the dense network's without them")
        record.difference = max(worst, record.difference or 0.0)
        if positions and effect < LEAST_EFFECT:
            record.notes.append(f"a pruning changes the outputs by {effect:.0e} only")

    @cached_property
    def _reference(self) -> tuple[nn.Module, list[Tensor]]:
        """The dense network, and what it returns, in the precision of comparisons."""
        if not self._in_double:
            return self._model, self._dense
        dense = in_double(self._model)
        return dense, run(dense, double(self._example))

    def _macs(self, pruned: nn.Module, widths: dict[str, int]) -> None:
        own, counted = self._space.macs(widths), counts.macs(pruned, self._example)
        self._recorder.record.macs_kept.append(
            round(own / max(self._space.macs(self._space.dense), 1), 3)
        )
        if own + self._folded != counted:
            raise Wrong(f"{own} MACs, torch counts {counted - self._folded}")

    @cached_property
    def _folded(self) -> int:
        """Multiply-accumulates that torch counts, and that an export has folded into constants."""
        own = self._space.macs(self._space.dense)
        folded = counts.macs(self._model, self._example) - own
        if folded:
            exported = counts.onnx_macs(self._export)
            if exported != own * self._space.batch:
                raise Wrong(f"{own} MACs, torch counts {own + folded}, an export {exported}")
            self._recorder.record.notes.append(f"an export folds {folded} MACs into constants")
        return folded

    @cached_property
    def _export(self) -> onnx.ModelProto:
        return export(self._model, self._example)

    def _retraced(self, pruned: nn.Module, widths: dict[str, int]) -> None:
        anew = Space.from_model(copy.deepcopy(pruned), self._example)
        pairs = (
            ("MACs", self._space.macs(widths), anew.macs(anew.dense)),
            ("parameters", self._space.params(widths), anew.params(anew.dense)),
        )
        for name, own, counted in pairs:
            if own != counted:
                raise Wrong(f"{own} {name}, the pruned module traced anew has {counted}")
        for own_op, op in zip(self._space.ops(widths), anew.ops(anew.dense), strict=True):
            if not same_op(own_op, op):
                raise Wrong(f"op {own_op!r}, traced anew {op!r}")

    def _concrete(self, widths: dict[str, int], outputs: list[Tensor]) -> None:
        model = self._space.concrete(widths)
        results = run_onnx(model, None)
        expected = [tuple(tensor.shape) for tensor in outputs]
        if [array.shape for array in results] != expected:
            raise Wrong(
                f"the concrete model returns {[array.shape for array in results]}, "
                f"the pruned module {expected}"
            )
        own, counted = self._space.macs(widths) * self._space.batch, counts.onnx_macs(model)
        if own != counted:
            raise Wrong(f"{own} MACs, the concrete model has {counted}")

    def _onnx(self, kept: Kept, outputs: list[Tensor]) -> None:
        model = self._space.prune_onnx(self._export, kept)
        results = [torch.from_numpy(array) for array in run_onnx(model, self._example)]
        gap = difference(results, outputs)
        if gap > FLOAT_TOLERANCE:
            raise Wrong(f"the pruned ONNX model differs from the pruned module by {gap:.1e}")

    def _prunes_alike(self, loaded: Space, pruned: nn.Module, kept: Kept) -> None:
        alike = loaded.prune(self._model, kept)
        first, second = pruned.state_dict(), alike.state_dict()
        if first.keys() != second.keys() or not all(
            reference.same(first[name], second[name]) for name in first
        ):
            raise Wrong("a loaded space prunes otherwise")


def same_op(first: ops.Op, second: ops.Op) -> bool:
    """True for equal ops, and for moves of equally many values.

    A tensor of several axes has its channels along the one that can be cut. That may be another
    axis after a pruning: of a grouped convolution with a channel left in each group, say, whole
    groups can be cut. With a single head left, `first` has one channel.
    """
    if isinstance(first, ops.Move) and isinstance(second, ops.Move):
        return _moved(first) == _moved(second)
    if first.c_out == 1 and first.type in _OF_HEADS:
        return _values(first) == _values(second)
    return first == second


_OF_HEADS = frozenset({"activation", "add", "mul", "softmax", "split", "concat"})


def _values(op: ops.Op) -> dict[str, object]:
    """An op without its sides, and the number of its values."""
    count = op.c_out * op.h * op.w
    return op.model_dump(exclude={"c_in", "c_out", "h", "w"}) | {"values": count}


def _moved(op: ops.Move) -> tuple[object, ...]:
    return (
        op.function,
        op.inputs,
        op.c_in * op.h * op.w,
        op.c_out * op.h_out * op.w_out,
    )


def _check_attributes(model: nn.Module) -> None:
    for path, module in model.named_modules():
        for name, value in vars(module).items():
            if isinstance(value, FakeTensor) or (
                isinstance(value, list | tuple | dict)
                and any(isinstance(leaf, FakeTensor) for leaf in tree_leaves(value))
            ):
                raise Wrong(f"from_model left a traced tensor in {path}.{name}")
