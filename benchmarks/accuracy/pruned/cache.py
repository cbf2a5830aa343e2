"""The folder of a run: samples as JSON lines, spaces, the LPNet, and the networks it chose."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter

from benchmarks.accuracy.pruned.parts import Part
from lpnet import samples_file, zoo
from lpnet.model import files
from lpnet.model.base import LatencyModel
from lpnet.noise import NoiseFloor, Reading, noise_floor, spread
from lpnet.schemas.device import TargetSpec
from lpnet.schemas.report import Report
from lpnet.schemas.sample import Sample
from lpnet.schemas.workload import workload_key
from lpnet.space.space import Space
from lpnet_agent.measure.messages import Item


@dataclass(frozen=True)
class Choice:
    """A network that was chosen by a method within a share of the dense latency, with the
    prediction that it was chosen by: latency and the upper end of 95%, in ms."""

    network: str
    method: str
    budget_share: float
    widths: dict[str, int]
    predicted_ms: float
    upper_ms: float


@dataclass(frozen=True)
class Machine:
    cpu: str
    target: TargetSpec

    @property
    def description(self) -> str:
        spec = self.target
        return (
            f"{self.cpu}, {spec.runtime} {spec.runtime_version}, {spec.precision}, "
            f"{spec.threads} thread"
        )


_CHOICES = TypeAdapter(list[Choice])
_MACHINE = TypeAdapter(Machine)


class Cache:
    """What a run has so far. Samples are only ever added, in files of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._folder_of_spaces = folder / "spaces"
        self._spaces: dict[str, Space] = {}
        self._samples = folder / "samples"
        self._lpnet = folder / "lpnet.safetensors"
        self._report = folder / "report.json"
        self._choices = folder / "chosen.json"
        self._machine = folder / "machine.json"

    def samples(self) -> list[Sample]:
        """All samples without sentinels, in the order of the files. The half line of a run that
        was killed is left out."""
        paths = sorted(self._samples.glob("*.jsonl"))
        read = (sample for path in paths for sample in samples_file.read(path).samples)
        return [sample for sample in read if sample.sentinel is None]

    def new_file(self) -> Path:
        self._samples.mkdir(parents=True, exist_ok=True)
        return self._samples / f"{len(list(self._samples.glob('*.jsonl'))):04d}.jsonl"

    def space_file(self, network: str) -> Path:
        return self._folder_of_spaces / f"{network}.onnx"

    def space(self, network: str) -> Space:
        """The space of a network of the zoo; built once, and read from its file from then on."""
        if network not in self._spaces:
            path = self.space_file(network)
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                zoo.space(network).save(path)
            self._spaces[network] = Space.load(path)
        return self._spaces[network]

    def missing(self, part: Part) -> list[Item]:
        """Items without an undisturbed sample."""
        measured = {workload_key(s.workload) for s in self.samples() if not s.disturbed}
        return [i for i, key in zip(part.items, part.keys, strict=True) if key not in measured]

    @property
    def trained(self) -> tuple[LatencyModel, Report] | None:
        """The LPNet that chose networks, and its report."""
        if not self._lpnet.exists():
            return None
        report = Report.model_validate_json(self._report.read_text(encoding="utf-8"))
        return files.read(self._lpnet), report

    def keep_trained(self, lpnet: LatencyModel, report: Report) -> None:
        self._report.write_text(report.model_dump_json(indent=1), encoding="utf-8")
        self._lpnet.write_bytes(files.save(lpnet))

    @property
    def choices(self) -> list[Choice] | None:
        if not self._choices.exists():
            return None
        return _CHOICES.validate_json(self._choices.read_text(encoding="utf-8"))

    def keep_choices(self, choices: Sequence[Choice]) -> None:
        content = json.dumps([asdict(choice) for choice in choices], indent=1)
        self._choices.write_text(content, encoding="utf-8")

    @property
    def machine(self) -> Machine | None:
        if not self._machine.exists():
            return None
        return _MACHINE.validate_json(self._machine.read_text(encoding="utf-8"))

    def keep_machine(self, machine: Machine) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._machine.write_bytes(_MACHINE.dump_json(machine))


def floor_of(samples: Iterable[Sample], keys: set[str]) -> NoiseFloor:
    """The noise floor of some workloads, from their undisturbed samples."""
    sessions: dict[str, dict[str, list[Reading]]] = defaultdict(lambda: defaultdict(list))
    for sample in samples:
        key = workload_key(sample.workload)
        if key in keys and not sample.disturbed and sample.session and sample.measured_at:
            sessions[key][sample.session].append((sample.measured_at, sample.latency_ms))
    spreads = (spread(own.values()) for own in sessions.values())
    return noise_floor(value for value in spreads if value is not None)
