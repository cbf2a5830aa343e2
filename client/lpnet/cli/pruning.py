"""`lpnet prune`: a whole pruning job from the command line."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lpnet.arguments import asking
from lpnet.cli import layout, show_prune
from lpnet.cli.base import Json, Seed, Token, Url, connect, print_json
from lpnet.cli.models import open_model
from lpnet.errors import LpnetError, NotCovered
from lpnet.progress import Progress, terminal_progress

if TYPE_CHECKING:
    from torch import nn

    from lpnet.client import Client
    from lpnet.predictor.predictor import Predictor
    from lpnet.pruning.job.images import Pictures
    from lpnet.pruning.job.job import Measure, Outcome, Plan
    from lpnet.pruning.methods.base import PruningMethod
    from lpnet.space.space import Space

_MEASURED_AGAIN = 3


class Method(StrEnum):
    wgates = "wgates"
    magnitude = "magnitude"


def prune(
    target: Annotated[str, typer.Option(help="Target, as `lpnet targets` lists it.")],
    budget: Annotated[
        str, typer.Option(help="Latency to meet: 12.5ms, or 60% of the dense network's.")
    ],
    model: Annotated[
        str, typer.Option(help="Network of the zoo, or pkg.mod:factory that returns one.")
    ] = "resnet20",
    data: Annotated[
        str,
        typer.Option(help="Folder with train/<class>/* and test/<class>/* pictures, or digits."),
    ] = "digits",
    method: Annotated[Method, typer.Option(help="How to choose what goes.")] = Method.wgates,
    pretrain: Annotated[int, typer.Option(min=0, help="Epochs before anything is pruned.")] = 20,
    gate: Annotated[int, typer.Option(min=0, help="Epochs with gates.")] = 10,
    tune: Annotated[int, typer.Option(min=0, help="Epochs of the small network.")] = 10,
    limit: Annotated[int | None, typer.Option(min=1, help="Training pictures to use.")] = None,
    upper: Annotated[
        float | None,
        typer.Option(
            min=0.5, max=0.999, help="The upper end of the prediction's interval meets the budget."
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for checkpoint and results.")] = Path(
        "lpnet-prune"
    ),
    report: Annotated[
        bool, typer.Option(help="Have the service keep the results, for the page that shows them.")
    ] = True,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads to train on.")] = None,
    seed: Seed = 0,
    as_json: Json = False,
    url: Url = None,
    token: Token = None,
) -> None:
    """Prune a network so that it takes a given time on a device.

    Trains it, prunes it under the budget, has the candidate measured on the device and corrects
    it, fine-tunes it, and says whether the promise held. Killed and started again with the same
    arguments it goes on where it was.
    """
    import torch

    from lpnet.pruning.job.images import open_pictures
    from lpnet.pruning.job.job import Plan
    from lpnet.pruning.job.report import figures, write
    from lpnet.space.space import Space

    if threads is not None:
        torch.set_num_threads(threads)
    budget_ms, share = read_budget(budget)
    pictures = open_pictures(data, limit)
    torch.manual_seed(seed)
    network = open_model(model)
    space = Space.from_model(network, torch.zeros(1, *pictures.shape), name=model)
    _require_classes(network, space, len(pictures.classes))
    plan = Plan(budget_ms, share, pretrain, gate, tune, seed)
    with connect(url, token) as client, terminal_progress() as progress:
        predictor = _predictor(client, target, space, out)
        outcome = run_job(
            client, predictor, network, pictures, plan, out, progress, method=method, upper=upper
        )
        files = write(outcome, space, out)
        if report:
            # Of a folder its own name: where it lies is nobody else's business.
            data = Path(pictures.name).name
            report_outcome(client, outcome, plan, predictor, method=method, model=model, data=data)
    if as_json:
        print_json(figures(outcome) | {name: str(file) for name, file in files.items()})
    else:
        show_prune.outcome(outcome, target)
        layout.put(*(f"{name}: {file}" for name, file in files.items()))


def run_job(
    client: Client,
    predictor: Predictor,
    network: nn.Module,
    pictures: Pictures,
    plan: Plan,
    out: Path,
    progress: Progress,
    *,
    method: Method = Method.wgates,
    upper: float | None = None,
) -> Outcome:
    """Prune a network, with its checkpoint in `out`; the predictor's target measures.

    The budget of a method that trains reaches its end half way. Raises BudgetTooSmall before any
    training, and LpnetError.
    """
    from lpnet.pruning.job.job import PruneJob

    space = predictor.space
    steps = plan.gate * math.ceil(len(pictures.train) / plan.batch)

    def make(given: nn.Module, asked_ms: float) -> PruningMethod:
        return _method(method, given, space, predictor, asked_ms, upper, steps // 2)

    return PruneJob(
        network,
        space,
        predictor,
        pictures,
        plan,
        make,
        out,
        _measure(client, predictor.target, space),
        progress,
        method=f"{method.value} upper={upper}",
    ).run()


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
    """Have the service keep what a job came to. Where it cannot, that is said, and no error: the
    results are in the job's folder."""
    from lpnet.pruning.job.results import results

    try:
        with asking():
            found = results(outcome, plan, predictor, method=method.value, model=model, data=data)
        for one in found:
            client.report_pruning(one, predictor.space)
    except LpnetError as error:
        typer.secho(f"the results were not reported: {error}", err=True, fg=typer.colors.YELLOW)


def read_budget(text: str) -> tuple[float | None, float | None]:
    """Milliseconds, or a share of the dense latency. Raises LpnetError for anything else."""
    found = text.strip().lower()
    for suffix, factor in (("ms", 1.0), ("%", 0.01)):
        with contextlib.suppress(ValueError):
            number = float(found.removesuffix(suffix)) * factor
            if found.endswith(suffix) and number > 0 and math.isfinite(number):
                return (number, None) if suffix == "ms" else (None, number)
    raise LpnetError(f"--budget {text}: milliseconds as 12.5ms, or a share as 60%")


def _require_classes(network: nn.Module, space: Space, classes: int) -> None:
    import torch

    training = network.training
    with torch.no_grad():
        given = network.eval()(torch.zeros(1, *space.input_shape))
    network.train(training)
    if given.shape != (1, classes):
        raise LpnetError(
            f"the network gives {list(given.shape)[1:]} values, the data has {classes} classes"
        )


def _predictor(client: Client, target: str, space: Space, out: Path) -> Predictor:
    try:
        if client.target(target).lpnet is not None:
            return client.predictor(target, space)
        why = f"target {target!r} has no LPNet yet"
    except NotCovered as error:
        why = str(error)
    out.mkdir(parents=True, exist_ok=True)
    file = out / "space.onnx"
    space.save(file)
    raise LpnetError(f"{why}; measure the network first: lpnet profile {target} {file}")


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
        raise LpnetError("--upper is for --method wgates")
    return Magnitude(model, space, predictor, budget_ms=budget_ms)


def _measure(client: Client, target: str, space: Space) -> Measure:
    def measure(widths: Mapping[str, int]) -> float | None:
        for _ in range(_MEASURED_AGAIN):
            (sample,) = client.measure(target, space, widths)
            if not sample.disturbed:
                return sample.latency_ms
        return None

    return measure
