"""The files of latency tables, which rows of them count, and what a row says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from benchmarks.accuracy.study import blocks
from benchmarks.accuracy.study.blocks import MBConv
from lpnet.schemas import ops as wire

Row = Mapping[str, str]
NETADAPT_BATCH, TITAN_BATCH = 128, 32


@dataclass(frozen=True)
class Source:
    """A file of rows, which of them to take, and what they say.

    Rows with the values of an earlier row in all of `columns` are dropped. The file `again` holds
    the same rows, measured once more.
    """

    title: str
    file: str
    columns: tuple[str, ...]
    ops: Callable[[Row], list[wire.Op]]
    width: Callable[[Row], int]
    keep: Callable[[Row], bool]
    batch: int = 1
    again: str | None = None


def _integer(row: Row, column: str) -> int:
    return round(float(row[column]))


def _tfnas(row: Row) -> list[wire.Op]:
    c_in, c_out, stride = (_integer(row, c) for c in ("in_channels", "out_channels", "stride"))
    return blocks.mbconv(
        MBConv(
            side=_integer(row, "in_res"),
            c_in=c_in,
            middle=_integer(row, "mid_channels"),
            c_out=c_out,
            kernel=_integer(row, "kernel"),
            stride=stride,
            squeeze=_integer(row, "se_channels"),
            residual=stride == 1 and c_in == c_out,
            function=row["act"],
        )
    )


def _ofa(row: Row) -> list[wire.Op]:
    middle = _ofa_middle(row)
    functions = {"": "unknown", "0.0": "relu", "1.0": "hardswish"}
    return blocks.mbconv(
        MBConv(
            side=_integer(row, "in_res"),
            c_in=_integer(row, "in_channels"),
            middle=middle,
            c_out=_integer(row, "out_channels"),
            kernel=_integer(row, "kernel"),
            stride=_integer(row, "stride"),
            squeeze=blocks.squeeze_width(middle) if float(row["se"]) else 0,
            residual=bool(float(row["idskip"])),
            function=functions[row["hs"]],
        )
    )


def _ofa_middle(row: Row) -> int:
    expand = float(row["expand"])
    # A small number is a ratio, a large one a number of channels.
    return round(_integer(row, "in_channels") * expand if expand < 30 else expand)


def _tfnas_middle(row: Row) -> int:
    return _integer(row, "mid_channels")


def _alexnet(row: Row) -> list[wire.Op]:
    sizes = (_integer(row, c) for c in ("in_channels", "out_channels", "in_res", "kernel"))
    return blocks.conv(*sizes)


def _layer(name: str) -> Source:
    return Source(
        title=f"NetAdapt AlexNet {name}, GPU",
        file="netadapt_alexnet_width__unknown_gpu_b2",
        columns=("in_channels", "out_channels"),
        ops=_alexnet,
        width=lambda row: _integer(row, "out_channels"),
        keep=lambda row: row["layer"] == name,
        batch=NETADAPT_BATCH,
        again="netadapt_alexnet_width__unknown_gpu_b3",
    )


_BLOCK = ("in_res", "in_channels", "mid_channels", "se_channels", "out_channels", "kernel")
_TFNAS = (*_BLOCK, "stride", "act")
_OFA = ("in_res", "in_channels", "out_res", "out_channels", "expand", "kernel", "stride")
_OFA_FLAGS = (*_OFA, "idskip", "se", "hs")


def _positive(row: Row) -> bool:
    return float(row["latency_ms"]) > 0


SOURCES: dict[str, Source] = {
    "tfnas-gpu": Source(
        "TF-NAS blocks, Titan RTX",
        "tfnas_mbconv_width__titan_rtx_b32",
        _TFNAS,
        _tfnas,
        _tfnas_middle,
        _positive,
        TITAN_BATCH,
    ),
    "tfnas-cpu": Source(
        "TF-NAS blocks, Xeon 6130",
        "tfnas_mbconv_width__xeon_gold_6130_b1",
        _TFNAS,
        _tfnas,
        _tfnas_middle,
        _positive,
    ),
    "alexnet-6": _layer("features.6"),
    "alexnet-8": _layer("features.8"),
    "alexnet-10": _layer("features.10"),
    "ofa-i7": Source(
        "OFA blocks, Core i7-8700K",
        "ofa_lut__i7_8700k",
        _OFA_FLAGS,
        _ofa,
        _ofa_middle,
        lambda row: row["op"] == "MBConv",
    ),
    "ofa-jetson": Source(
        "OFA blocks, Jetson GPU",
        "ofa_lut__jetson_gpu",
        _OFA_FLAGS,
        _ofa,
        _ofa_middle,
        lambda row: row["op"] == "expanded_conv",
    ),
}
