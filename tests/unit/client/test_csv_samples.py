"""Samples from CSV files: columns, units, and what looks wrong in a table."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

import lpnet.table_checks as checks
from lpnet.csv_samples import CsvFormat, parse_columns, read
from lpnet.errors import FileFormatError, LpnetError
from lpnet.samples_file import read as read_lines
from lpnet.schemas.ops import Conv2d
from lpnet.schemas.sample import Sample
from lpnet.schemas.workload import OpsWorkload
from lpnet.space.space import Space

HEADER = "c_in,c_out,h,w,kernel,latency_ms"
PLAIN = CsvFormat({})


@pytest.fixture(scope="module")
def space() -> Space:
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 6, 3), nn.Conv2d(6, 4, 3))
    return Space.from_model(model, torch.zeros(1, 3, 12, 12), name="little")


def write(folder: Path, *lines: str, encoding: str = "utf-8", name: str = "table.csv") -> Path:
    file = folder / name
    file.write_text("\n".join(lines) + "\n", encoding=encoding)
    return file


def convs(latencies: list[float], c_out: int | None = None) -> list[Sample]:
    return [
        Sample.model_validate(
            {
                "latency_ms": latency,
                "workload": {
                    "ops": [
                        {
                            **{"type": "conv2d", "c_in": 64, "h": 56, "w": 56},
                            **{"c_out": c_out or 8 + index, "kernel": (3, 3)},
                        }
                    ]
                },
            }
        )
        for index, latency in enumerate(latencies)
    ]


def test_a_row_is_a_conv(tmp_path: Path) -> None:
    content, unused = read(write(tmp_path, HEADER + ",note", "3,16,32,32,3,1.5,x"), PLAIN)
    (sample,) = content.samples
    assert sample.latency_ms == 1.5
    assert isinstance(sample.workload, OpsWorkload)
    (op,) = sample.workload.ops
    assert isinstance(op, Conv2d)
    assert (op.c_in, op.c_out, op.h, op.kernel) == (3, 16, 32, (3, 3))
    assert (content.lines, content.bad, unused) == ((2,), (), ["note"])


def test_a_map_names_columns_and_a_unit_converts(tmp_path: Path) -> None:
    file = write(tmp_path, "cin;cout;h;w;k;seconds", "3;16;32;32;3;0.0015")
    columns = parse_columns(["c_in=cin", "c_out=cout", "kernel=k", "latency_ms=seconds"])
    content, unused = read(file, CsvFormat(columns, unit="s"))
    assert content.samples[0].latency_ms == pytest.approx(1.5)
    assert unused == []


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_a_byte_order_mark_is_no_part_of_a_column(tmp_path: Path, encoding: str) -> None:
    content, _ = read(write(tmp_path, HEADER, "3,16,32,32,3,1.5", encoding=encoding), PLAIN)
    assert len(content.samples) == 1


def test_utf_16_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match="UTF-16"):
        read(write(tmp_path, HEADER, encoding="utf-16"), PLAIN)


def test_a_column_per_width_of_a_space(tmp_path: Path, space: Space) -> None:
    names = [width.name for width in space.widths]
    values = [str(width.max) for width in space.widths]
    file = write(tmp_path, ",".join([*names, "latency_ms"]), ",".join([*values, "2.5"]))
    content, _ = read(file, CsvFormat({}, space=space))
    (sample,) = content.samples
    assert sample.kind == "network"
    assert sample.workload.model_dump()["widths"] == space.named(space.dense)
    with pytest.raises(FileFormatError, match=f"no column for {names[0]}"):
        read(write(tmp_path, "latency_ms", "1"), CsvFormat({}, space=space))


def test_the_same_file_has_the_same_ids_and_equal_rows_are_two(tmp_path: Path) -> None:
    row = "3,16,32,32,3,1.5"
    file = write(tmp_path, HEADER, row, row)
    first, again = (read(file, PLAIN, target="t")[0].samples for _ in range(2))
    assert [sample.id for sample in first] == [sample.id for sample in again]
    assert len({sample.id for sample in first}) == 2
    other = read(file, PLAIN, target="u")[0].samples
    assert other[0].id != first[0].id


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("a,16,32,32,3,1.5", "c_in: 'a' is not a whole number"),
        ("3,16,32,32,3,fast", "latency_ms: 'fast' is not a number, with a point"),
        ("3,16,32,32,3,-1", "latency_ms: Input should be greater than"),
        ("3,16,32,32,99,1", "does not fit 32 x 32 pixels"),
    ],
)
def test_a_wrong_row_is_named_with_its_field(tmp_path: Path, row: str, reason: str) -> None:
    file = write(tmp_path, HEADER + ",padding", "3,16,32,32,3,1.5,1", row + ",0")
    content, _ = read(file, PLAIN)
    assert len(content.samples) == 1
    (bad,) = content.bad
    assert bad.number == 3
    assert reason in bad.reason


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (["latency=ms"], "there is no field 'latency'"),
        (["latency_ms=nowhere"], "has no column 'nowhere', only c_in"),
        ([], "no column for latency_ms, c_out, h, w, kernel, only c_in, time"),
        (["kernel=c_in"], "Name it: --column latency_ms=COLUMN"),
    ],
)
def test_what_a_map_lacks_is_named(tmp_path: Path, columns: list[str], message: str) -> None:
    file = write(tmp_path, "c_in,time", "3,1")
    with pytest.raises(FileFormatError, match=message):
        read(file, CsvFormat(parse_columns(columns)))


def test_a_map_is_made_of_pairs() -> None:
    with pytest.raises(LpnetError, match="write FIELD=COLUMN"):
        parse_columns(["latency_ms"])


def test_a_table_that_is_read_as_lines_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match=r"name it FILE\.csv"):
        read_lines(write(tmp_path, HEADER, "3,16,32,32,3,1.5", name="table.txt"))


def test_seconds_are_noticed_by_the_same_workloads() -> None:
    latencies = [1.0, 1.5, 2.0]
    stored = convs(latencies)
    doubt = checks.unit_doubt(convs([ms / 1000 for ms in latencies]), stored)
    assert doubt == "of the same workloads, stored ones take 1000 times as long as these"
    assert checks.unit_doubt(convs([1.1 * ms for ms in latencies]), stored) is None


def test_seconds_are_noticed_by_physical_limits() -> None:
    # 64 x 64 channels of 3 x 3 on 56 x 56 pixels are 116 M multiply-accumulates.
    assert checks.unit_doubt(convs([0.2] * 5, c_out=64)) is None
    doubt = checks.unit_doubt(convs([1.1e-4] * 5, c_out=64))
    assert doubt is not None
    assert "multiply-accumulates a second" in doubt
    assert checks.unit_doubt(convs([5e-5])) == "most latencies are below 0.1 microseconds"


def test_copies_mixed_units_and_sorted_rows_are_named() -> None:
    copied = convs([1.0, 2.0, 1.5])
    (copies,) = checks.warnings([*copied, copied[0]])
    assert copies.startswith("rows that are exact copies of earlier ones: 1;")
    (mixed,) = checks.warnings(convs([1.0, 1.0, 1000.0, 1.0][1:3], c_out=8))
    assert "about 1,000 times apart" in mixed
    (ordered,) = checks.warnings(convs([1.0 + 0.1 * index for index in range(25)]))
    assert "sorted by latency" in ordered
    assert list(checks.warnings(convs([1.0, 3.0, 2.0] * 10))) == []
