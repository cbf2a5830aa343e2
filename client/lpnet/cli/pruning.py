"""`lpnet prune`: a pruning job from training to the measured result."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from lpnet.arguments import translate_validation_errors
from lpnet.cli import layout, prune_options, show_prune
from lpnet.cli.base import Json, Seed, Token, Url, connect, print_json
from lpnet.cli.models import open_model
from lpnet.cli.prune_options import Method
from lpnet.errors import LpnetError, NotCovered
from lpnet.progress import Progress, terminal_progress

if TYPE_CHECKING:
    from torch import nn

    from lpnet.client import Client
    from lpnet.predictor.predictor import Predictor
    from lpnet.pruning.job.exported import ExportedWeights
    from lpnet.pruning.job.images import ImageDataset
    from lpnet.pruning.job.job import Measure, Outcome, Plan
    from lpnet.pruning.methods.base import PruningMethod
    from lpnet.space.space import Space

_MEASURE_ATTEMPTS = 3


def prune(
    target: prune_options.Target,
    budget: prune_options.Budget,
    model: prune_options.Model = "resnet20",
    data: prune_options.Data = "digits",
    method: prune_options.MethodName = Method.wgates,
    pretrain: prune_options.Pretrain = 20,
    gate: prune_options.Gate = 10,
    tune: prune_options.Tune = 10,
    limit: prune_options.Limit = None,
    upper: prune_options.Upper = None,
    out: prune_options.Out = Path("lpnet-prune"),
    zero_subnormals: prune_options.ZeroSubnormals = False,
    report: prune_options.StoreReport = True,
    threads: prune_options.Threads = None,
    seed: Seed = 0,
    as_json: Json = False,
    url: Url = None,
    token: Token = None,
) -> None:
    """Prune a network so that it meets a latency budget on a device.

    The job trains the network, prunes it within the budget, measures the result on the device,
    corrects it, fine-tunes it, and says whether the budget was met. If it is stopped, the same
    command continues it.
    """
    import torch

    from lpnet.pruning.job.images import open_images
    from lpnet.pruning.job.job import Plan
    from lpnet.pruning.job.report import write
    from lpnet.space.space import Space

    if threads is not None:
        torch.set_num_threads(threads)
    budget_ms, share = read_budget(budget)
    images = open_images(data, limit)
    torch.manual_seed(seed)
    network = open_model(model)
    space = Space.from_model(network, torch.zeros(1, *images.shape), name=model)
    _require_classes(network, space, len(images.classes))
    plan = Plan(budget_ms, share, pretrain, gate, tune, seed)
    with connect(url, token) as client, terminal_progress() as progress:
        predictor = _predictor(client, target, space, out)
        outcome = run_job(
            client, predictor, network, images, plan, out, progress, method=method, upper=upper
        )
        files, exported = write(outcome, space, out, images, zero_subnormals=zero_subnormals)
        if report:
            # Only the name of a folder: its path is private.
            data = Path(images.name).name
            report_outcome(client, outcome, plan, predictor, method=method, model=model, data=data)
    _print(outcome, target, files, exported, as_json=as_json)


def _print(
    outcome: Outcome,
    target: str,
    files: Mapping[str, Path],
    exported: ExportedWeights,
    *,
    as_json: bool,
) -> None:
    from lpnet.pruning.job.report import figures

    if as_json:
        paths = {name: str(file) for name, file in files.items()}
        print_json(figures(outcome) | {"subnormals": exported.facts()} | paths)
    else:
        show_prune.print_outcome(outcome, target)
    if exported.subnormals.count:
        message = show_prune.subnormal_message(exported, files["onnx"])
        typer.echo(message, err=as_json)
    if not as_json:
        layout.print_all(*(f"{name}: {file}" for name, file in files.items()))


def run_job(
    client: Client,
    predictor: Predictor,
    network: nn.Module,
    images: ImageDataset,
    plan: Plan,
    out: Path,
    progress: Progress,
    *,
    method: Method = Method.wgates,
    upper: float | None = None,
) -> Outcome:
    """Prune a network, measure it on the predictor's target, and keep the checkpoint in `out`.

    A method that trains lowers its budget in steps over the first half of the training. Raises
    BudgetTooSmall before any training, and LpnetError.
    """
    from lpnet.pruning.job.job import PruneJob

    space = predictor.space
    steps = plan.gate * math.ceil(len(images.train) / plan.batch)

    def new_method(model: nn.Module, budget_ms: float) -> PruningMethod:
        return _method(method, model, space, predictor, budget_ms, upper, steps // 2)

    job = PruneJob(
        network,
        space,
        predictor,
        images,
        plan,
        new_method,
        out,
        _measure(client, predictor.target, space),
        progress,
        method=f"{method.value} upper={upper}",
    )
    if job.resumed is not None:
        typer.echo(f"{out}: {job.resumed}", err=True)
    return job.run()


def report_outcome(
    client: Client,
    outcome: Outcome,
    plan: Plan,
    predictor: Predictor,
    *,
    method: Method = Method.wgates,
    model: str,
    data: str,
) -> None:
    """Store the outcome in the service. A failure only prints a warning, as the folder holds the
    results."""
    from lpnet.pruning.job.results import results

    try:
        with translate_validation_errors():
            reports = results(
                outcome, plan, predictor, method=method.value, model=model, data=data
            )
        for report in reports:
            client.report_pruning(report, predictor.space)
    except LpnetError as error:
        typer.secho(
            f"the service did not store the results: {error}", err=True, fg=typer.colors.YELLOW
        )


def read_budget(text: str) -> tuple[float | None, float | None]:
    """Return (ms, None) or (None, share of the dense latency). Raises LpnetError."""
    value = text.strip().lower()
    for suffix, factor in (("ms", 1.0), ("%", 0.01)):
        with contextlib.suppress(ValueError):
            number = float(value.removesuffix(suffix)) * factor
            if value.endswith(suffix) and number > 0 and math.isfinite(number):
                return (number, None) if suffix == "ms" else (None, number)
    raise LpnetError(f"--budget must be milliseconds, as 12.5ms, or a share, as 60%; got {text}")


def _require_classes(network: nn.Module, space: Space, classes: int) -> None:
    import torch

    training = network.training
    with torch.no_grad():
        output = network.eval()(torch.zeros(1, *space.input_shape))
    network.train(training)
    if output.shape != (1, classes):
        raise LpnetError(
            f"the network has {list(output.shape)[1:]} outputs, but the data has {classes} classes"
        )


def _predictor(client: Client, target: str, space: Space, out: Path) -> Predictor:
    try:
        if client.target(target).lpnet is not None:
            return client.predictor(target, space)
        reason = f"target {target!r} has no LPNet yet"
    except NotCovered as error:
        reason = str(error)
    out.mkdir(parents=True, exist_ok=True)
    file = out / "space.onnx"
    space.save(file)
    raise LpnetError(f"{reason}; measure the network first: lpnet profile {target} {file}")


def _method(
    kind: Method,
    model: nn.Module,
    space: Space,
    predictor: Predictor,
    budget_ms: float,
    upper: float | None,
    ramp: int,
) -> PruningMethod:
    from lpnet.pruning import Magnitude, WGates

    if kind is Method.wgates:
        return WGates(model, space, predictor, budget_ms=budget_ms, upper=upper, ramp=ramp)
    if upper is not None:
        raise LpnetError("--upper works only with --method wgates")
    return Magnitude(model, space, predictor, budget_ms=budget_ms)


def _measure(client: Client, target: str, space: Space) -> Measure:
    def measure(widths: Mapping[str, int]) -> float | None:
        for _ in range(_MEASURE_ATTEMPTS):
            (sample,) = client.measure(target, space, widths)
            if not sample.disturbed:
                return sample.latency_ms
        return None

    return measure
