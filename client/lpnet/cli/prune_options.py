"""Options of `lpnet prune`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Method(StrEnum):
    """Names of pruning methods."""

    wgates = "wgates"
    magnitude = "magnitude"


Target = Annotated[str, typer.Option(help="Name of the target, as `lpnet targets` lists it.")]
Budget = Annotated[str, typer.Option(help="Latency budget: 12.5ms, or 60% of the dense latency.")]
Model = Annotated[
    str, typer.Option(help="Network of the zoo, or a function pkg.mod:factory that returns one.")
]
Data = Annotated[
    str, typer.Option(help="`digits`, or a folder of images: train/<class>/* and test/<class>/*.")
]
MethodName = Annotated[Method, typer.Option(help="Method that chooses the channels to remove.")]
Pretrain = Annotated[int, typer.Option(min=0, help="Epochs of training before pruning.")]
Gate = Annotated[int, typer.Option(min=0, help="Epochs of training with gates on the channels.")]
Tune = Annotated[int, typer.Option(min=0, help="Epochs of fine-tuning the pruned network.")]
Limit = Annotated[int | None, typer.Option(min=1, help="Maximum number of training images.")]
Upper = Annotated[
    float | None,
    typer.Option(
        min=0.5,
        max=0.999,
        help="Quantile of the predicted latency that must meet the budget (default: the "
        "prediction itself).",
    ),
]
Out = Annotated[Path, typer.Option(help="Folder for the checkpoint and the results.")]
ZeroSubnormals = Annotated[
    bool,
    typer.Option(
        "--zero-subnormals",
        help="Set subnormal weights of the pruned network to zero (below 1.2e-38).",
    ),
]
StoreReport = Annotated[
    bool, typer.Option(help="Store the results in the service, which shows them on a page.")
]
Threads = Annotated[int | None, typer.Option(min=1, help="Number of threads for training.")]
