"""`pip install .[agent]` in an empty environment measures, without torch or a web framework."""

from __future__ import annotations

import json
import os
import subprocess
import venv
from pathlib import Path

import pytest

from lpnet.schemas.sample import Sample
from lpnet.space.space import Space

# One environment is enough.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("clean install")]

ROOT = Path(__file__).parents[3]
FORBIDDEN = ("torch", "torch_pruning", "fastapi", "uvicorn", "sqlalchemy", "sklearn", "pytest")


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of an environment that holds lpnet[agent] and what it brings."""
    folder = tmp_path_factory.mktemp("clean") / "env"
    venv.create(folder, with_pip=True)
    subprocess.run(
        [folder / "bin" / "python", "-m", "pip", "install", "--quiet", f"{ROOT}[agent]"],
        check=True,
        capture_output=True,
        env=_environment(),
    )
    return folder / "bin"


def _environment() -> dict[str, str]:
    """Nothing of this process may leak in, above all no path to its packages."""
    hidden = ("PYTHON", "VIRTUAL_ENV", "LPNET_")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
    return clean | {"LPNET_AGENT_REPEAT_PAUSE_S": "0"}


def test_neither_torch_nor_a_web_framework_comes_along(clean: Path, tmp_path: Path) -> None:
    code = (
        "import importlib.util, json, sys\n"
        "print(json.dumps([n for n in sys.argv[1:] if importlib.util.find_spec(n)]))\n"
    )
    done = subprocess.run(
        [clean / "python", "-c", code, *FORBIDDEN, "lpnet_agent", "onnxruntime"],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env=_environment(),
    )
    assert json.loads(done.stdout) == ["lpnet_agent", "onnxruntime"]


def test_the_agent_measures_there(
    clean: Path, space: Space, space_file: Path, tmp_path: Path
) -> None:
    out = tmp_path / "samples.jsonl"
    done = subprocess.run(
        [
            *(clean / "lpnet-agent", "measure", "--space", space_file, "--out", out),
            *("--blocks", "8", "--networks", "2", "--repeats", "3", "--keep-going", "--json"),
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env=_environment(),
    )
    assert done.returncode == 0, done.stderr
    written = [Sample.model_validate_json(line) for line in out.read_text().splitlines()]
    assert {sample.sentinel for sample in written} == {None, "arithmetic", "memory"}
    samples = [sample for sample in written if sample.sentinel is None]
    assert len(samples) == 13 == json.loads(done.stdout)["samples"]
    assert {getattr(sample.workload, "space", None) for sample in samples} == {space.hash}
    assert all(sample.latency_ms > 0 for sample in samples)
