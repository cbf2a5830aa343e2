"""The examples, run as people run them: as processes, against a service with an agent."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from examples.torch_pruning_ratios import prune, ratio, require_same
from tests.harness.comb import comb_ms
from tests.harness.quick import quick_training
from tests.harness.simulation import simulated_device
from tests.harness.site import Site

import lpnet
from lpnet.schemas.lpnet import NewTraining
from lpnet.schemas.sample import Sample
from lpnet.schemas.workload import SpaceWorkload
from lpnet.space.sampling import draw_widths
from lpnet.space.table import OpTable
from lpnet_service.services.shared.context import context
from lpnet_service.settings import Settings
from lpnet_service.worker.loop import tick
from lpnet_service.worker.work import KINDS

EXAMPLES = Path(__file__).parents[2] / "examples"
BUDGET = 0.6


@pytest.fixture(scope="module")
def space() -> lpnet.Space:
    return lpnet.zoo.space("resnet20")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, space: lpnet.Space) -> Iterator[Site]:
    made = Site(tmp_path_factory.mktemp("site"), space)
    made.start_service()
    with simulated_device():
        made.start_agent()
    yield made
    made.close()


@pytest.fixture(scope="module")
def client(site: Site) -> Iterator[lpnet.Client]:
    with lpnet.Client(site.http.base_url) as made:
        yield made


@pytest.fixture(scope="module")
def target(site: Site, client: lpnet.Client, space: lpnet.Space) -> str:
    """The agent's, with an LPNet that a worker here trained on simulated samples, in a hurry."""
    name = site.target().name
    client.upload(space)
    client.import_samples(name, simulated(space, 60))
    site.http.post(f"/v1/targets/{name}/lpnets", NewTraining())
    ctx = context(Settings(database_url=f"sqlite:///{site.database}"))
    with quick_training():
        assert tick(ctx, KINDS)
    ctx.db.close()
    return name


def simulated(space: lpnet.Space, count: int) -> Iterator[Sample]:
    """Networks and blocks on a device whose latencies step every 16 channels."""
    rng = np.random.default_rng(0)
    for i in range(count):
        block = None if i % 5 == 0 else space.blocks[i % len(space.blocks)].name
        part = space if block is None else space.block(block)
        widths = part.named(draw_widths(part, rng, (0.0, 0.5, 1.0)[i % 3]))
        yield Sample(
            kind="network" if block is None else "block",
            workload=SpaceWorkload(space=space.hash, block=block, widths=widths, batch=1),
            latency_ms=comb_ms(OpTable.from_ops(part.ops(widths))),
        )


def run(script: str, site: Site, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(EXAMPLES / script), *arguments],
        env=os.environ | {"LPNET_URL": site.http.base_url, "NO_PROXY": "127.0.0.1"},
        capture_output=True,
        text=True,
        timeout=1800,
        check=False,
    )


def said(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    """What an example printed, by what stands before the colon."""
    assert done.returncode == 0, done.stderr
    return dict(line.split(": ", 1) for line in done.stdout.splitlines())


def first(text: str) -> float:
    """The first number of a text."""
    found = re.match(r"[\d.,]+", text)
    assert found, text
    return float(found[0].replace(",", ""))


def widths_within_budget(
    found: dict[str, str], client: lpnet.Client, target: str, space: lpnet.Space
) -> dict[str, int]:
    """The widths that an example found, as the service judges them."""
    widths: dict[str, int] = ast.literal_eval(found["widths"])
    dense, small = client.predict(target, space, [space.named(space.dense), widths])
    assert first(found["budget"]) == pytest.approx(BUDGET * dense.latency_ms, abs=1e-3)
    assert first(found["predicted"]) == pytest.approx(small.latency_ms, abs=1e-3)
    assert small.latency_ms <= BUDGET * dense.latency_ms * (1 + 1e-4)
    return widths


@pytest.mark.slow
def test_a_plain_loop_trains_within_the_budget_and_has_it_measured(
    site: Site, client: lpnet.Client, target: str, space: lpnet.Space
) -> None:
    found = said(run("plain_loop.py", site, target, "--epochs", "1", "--measure"))
    widths = widths_within_budget(found, client, target, space)
    before, _, after = found["accuracy"].partition("before, ")
    assert 0 <= first(before) <= 100
    assert 0 <= first(after) <= 100
    asked = SpaceWorkload(space=space.hash, widths=widths, batch=1)
    (sample,) = [one for one in client.samples(target=target) if one.workload == asked]
    assert first(found["measured"]) == pytest.approx(sample.latency_ms, abs=1e-3)


def test_torch_pruning_leaves_the_network_that_was_predicted(
    site: Site, client: lpnet.Client, target: str, space: lpnet.Space
) -> None:
    found = said(run("torch_pruning_ratios.py", site, target))
    widths = widths_within_budget(found, client, target, space)
    before, _, after = found["multiply-accumulates"].partition(" before, ")
    assert first(before) == space.macs(space.dense)
    assert first(after) == space.macs(widths)


def test_torch_pruning_keeps_what_the_ratios_say(space: lpnet.Space) -> None:
    drawn = space.named(draw_widths(space, np.random.default_rng(0), 0.0))
    model, example = lpnet.zoo.model("resnet20"), torch.randn(1, 3, 32, 32)
    prune(model, example, space, drawn)
    weights = dict(model.named_parameters())
    assert {name: len(weights[f"{name}.weight"]) for name in drawn} == drawn
    assert model(example).shape == (1, 10)
    pruned = lpnet.Space.from_model(model, example)
    require_same(pruned, space, drawn)
    with pytest.raises(SystemExit, match="conv2d"):
        require_same(pruned, space, space.named(space.dense))


def test_a_ratio_keeps_exactly_so_many_channels() -> None:
    for n in range(1, 513):
        assert [int(n * (1 - ratio(k, n))) for k in range(1, n + 1)] == list(range(1, n + 1))


def test_numpy_and_rest_find_widths_within_the_budget(
    site: Site, client: lpnet.Client, target: str, space: lpnet.Space, tmp_path: Path
) -> None:
    space.save(tmp_path / "resnet20.onnx")
    found = said(run("rest_only.py", site, target, str(tmp_path / "resnet20.onnx")))
    widths = widths_within_budget(found, client, target, space)
    assert first(found["predicted"]) > 0.9 * first(found["budget"])
    assert space.macs(widths) < space.macs(space.dense)


def test_numpy_and_rest_say_what_cannot_be(
    site: Site, target: str, space: lpnet.Space, tmp_path: Path
) -> None:
    file = tmp_path / "resnet20.onnx"
    missing = run("rest_only.py", site, target, str(file))
    assert (missing.returncode, "there is no file" in missing.stderr) == (1, True)
    space.save(file)
    small = run("rest_only.py", site, target, str(file), "--budget", "0.1")
    assert (small.returncode, "no widths found within" in small.stderr) == (1, True)


def test_numpy_is_all_that_rest_takes() -> None:
    text = (EXAMPLES / "rest_only.py").read_text()
    names = set(re.findall(r"^\s*(?:import|from) (\w+)", text, re.MULTILINE))
    assert names - sys.stdlib_module_names == {"numpy"}


@pytest.mark.parametrize(
    "script",
    [
        pytest.param("plain_loop.py", marks=pytest.mark.slow),
        pytest.param("torch_pruning_ratios.py", marks=pytest.mark.slow),
        "rest_only.py",
    ],
)
def test_a_target_without_an_lpnet_is_to_be_profiled_first(
    script: str, site: Site, client: lpnet.Client, space: lpnet.Space, tmp_path: Path
) -> None:
    client.upload(space)
    client.import_samples("untrained", simulated(space, 1))
    space.save(tmp_path / "resnet20.onnx")
    files = [str(tmp_path / "resnet20.onnx")] if script == "rest_only.py" else []
    done = run(script, site, "untrained", *files)
    assert (done.returncode, done.stdout) == (1, "")
    assert "has no LPNet yet" in done.stderr
    assert "lpnet profile" in done.stderr
    assert "Traceback" not in done.stderr
