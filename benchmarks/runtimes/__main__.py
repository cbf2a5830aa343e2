"""The same blocks in every runtime on this machine, with one thread and with two.

    python -m benchmarks.runtimes [--model resnet50] [--blocks 16] [--threads 1 2]
        [--runtimes NAME[:PRECISION] ...] [--out lpnet-runtimes] [--table]

Each is measured with `lpnet-agent measure`, one after another, on the same workloads. Samples
files stay in --out and are not measured again. The table shows ratios to ONNX Runtime in float32
with the same number of threads: below 1 is faster. It includes disturbed samples and counts them:
with as many threads as cores there is no core for the agent.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

from lpnet import zoo
from lpnet.schemas.sample import Sample
from lpnet.schemas.workload import workload_key
from lpnet_agent.runtimes.registry import list_support

_REFERENCE = "onnxruntime:fp32"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", default="resnet50")
    parser.add_argument("--blocks", type=int, default=16)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--runtimes", nargs="+", default=_supported(), metavar="NAME[:PRECISION]")
    parser.add_argument("--out", type=Path, default=Path("lpnet-runtimes"))
    parser.add_argument(
        "--table", action="store_true", help="only print the table of existing files"
    )
    options = parser.parse_args()
    options.out.mkdir(exist_ok=True)
    space = options.out / f"{options.model}.onnx"
    if not space.exists():
        zoo.space(options.model).save(space)
    configurations = [
        (runtime if ":" in runtime else f"{runtime}:fp32", threads)
        for threads in options.threads
        for runtime in options.runtimes
    ]
    for runtime, threads in () if options.table else configurations:
        _measure(runtime, threads, space, options.blocks)
    files = {key: _file(space, *key) for key in configurations}
    results = {key: _read(file) for key, file in files.items() if file.exists()}
    print(_table(results, options.threads))
    return 0 if results else 1


def _supported() -> list[str]:
    """Runtimes and precisions that this CPU supports."""
    return [
        f"{line.name}:{precision}"
        for line in list_support()
        for precision in line.precisions
        if line.provider == "cpu"
    ]


def _file(space: Path, runtime: str, threads: int) -> Path:
    return space.with_name(f"{space.stem}-{runtime.replace(':', '-')}-t{threads}.jsonl")


def _measure(runtime: str, threads: int, space: Path, blocks: int) -> None:
    out = _file(space, runtime, threads)
    if out.exists():
        return
    name, precision = runtime.split(":")
    print(f"{name} {precision}, {threads} threads", file=sys.stderr, flush=True)
    part = out.with_suffix(".part")
    command = [sys.executable, "-m", "lpnet_agent", "measure", "--space", str(space)]
    command += ["--out", str(part), "--force", "--json", "--runtime", name]
    command += ["--precision", precision, "--threads", str(threads)]
    command += [
        "--blocks",
        str(blocks),
        "--networks",
        "1",
        "--state-dir",
        str(out.parent / "state"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"  {done.stderr.strip().splitlines()[-1]}", file=sys.stderr)
        return
    failures = json.loads(done.stdout)["failures"]
    for failure in failures:
        print(f"  failed: {failure}", file=sys.stderr)
    part.rename(out)


def _read(file: Path) -> dict[str, Sample]:
    samples = [Sample.model_validate_json(line) for line in file.read_text().splitlines()]
    return {workload_key(s.workload): s for s in samples if s.sentinel is None}


def _table(results: dict[tuple[str, int], dict[str, Sample]], threads: list[int]) -> str:
    lines = [
        "| runtime | threads | blocks | disturbed | ratio, median | min | max "
        "| network, ms | ratio |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for count in threads:
        reference = results.get((_REFERENCE, count), {})
        for (runtime, own), samples in results.items():
            if own == count:
                lines.append(_row(runtime, count, samples, reference))
    return "\n".join(lines)


def _row(
    runtime: str, threads: int, samples: dict[str, Sample], reference: dict[str, Sample]
) -> str:
    ratios = [
        sample.latency_ms / reference[key].latency_ms
        for key, sample in samples.items()
        if sample.kind == "block" and key in reference
    ]
    networks = [(key, s) for key, s in samples.items() if s.kind == "network"]
    network = f"{networks[0][1].latency_ms:.2f}" if networks else ""
    ratio = ""
    if networks and networks[0][0] in reference:
        ratio = f"{networks[0][1].latency_ms / reference[networks[0][0]].latency_ms:.2f}"
    spread = ["", "", ""]
    if ratios:
        spread = [f"{f(ratios):.2f}" for f in (statistics.median, min, max)]
    disturbed = sum(sample.disturbed for sample in samples.values())
    cells = [runtime.replace(":", " "), threads, len(ratios), disturbed, *spread, network, ratio]
    return f"| {' | '.join(map(str, cells))} |"


if __name__ == "__main__":
    sys.exit(main())
