"""Lists of ops that people write by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.harness.in_process import invoke

from lpnet.cli.main import app
from lpnet.errors import FileFormatError
from lpnet.op_lists import mismatches, parse, read

Fields = dict[str, Any]
SIDES = {"c_in": 16, "c_out": 16, "h": 14, "w": 14}
CONCAT = {"type": "concat", "c_in": 8, "c_out": 8, "h": 14, "w": 14, "inputs": [0, 1]}


def _conv(**fields: Any) -> Fields:
    return {"type": "conv2d", "c_in": 8, "c_out": 16, "h": 14, "w": 14, "kernel": 3} | fields


def _relu(c: int, side: int) -> Fields:
    return {"type": "activation", "function": "relu", "c_in": c, "c_out": c, "h": side, "w": side}


def test_short_forms_are_those_of_samples() -> None:
    short = _conv(padding="same", stride=2, dilation=1, bias=True)
    full = _conv(kernel=[3, 3], padding=[1, 1], stride=[2, 2], dilation=[1, 1])
    assert parse([short]) == parse({"ops": [full], "batch": 1})
    assert parse([short], batch=4).batch == 4
    pool = {"type": "pool", "mode": "max", "kernel": [5, 3], "padding": "same"}
    sides = {"c_in": 8, "c_out": 8, "h": 9, "w": 9}
    (op,) = parse([pool | sides]).ops
    assert getattr(op, "padding", None) == (2, 1)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (7, "expected a list of ops"),
        ([3], r"ops\[0\]: expected an object"),
        ([], "ops: .*at least 1"),
        ([_conv(), {"type": "convolution"}], r"ops\[1\]: .*convolution"),
        ([_conv(c_in=0)], r"ops\[0\]\.c_in: "),
        ([_conv(padding="valid")], r"ops\[0\]\.padding: "),
        ([_conv(kernel=4, padding="same")], r"ops\[0\]\.padding: .*odd window, which is 4 x 4"),
        ([_conv(kernel="3", padding="same")], r"ops\[0\]\.kernel: must be one or two whole"),
        ([_conv(bias="yes")], r"ops\[0\]\.bias: must be true or false"),
        ([_conv(padding=1), _relu(16, 13)], r"ops\[1\] \(activation\): .* 16, 14 and 14, got 16"),
        ([_conv(padding=1), _relu(8, 14)], r"ops\[1\] .* must be 16, 14 and 14, got 8, 14 and 14"),
        ([_conv(padding=None), _relu(8, 14)], r"ops\[1\] .*c_in must be 16, got 8, as ops\[0\]"),
        (
            [_conv(padding=1), {"type": "linear", "c_in": 16 * 196, "c_out": 10}],
            r"ops\[1\] \(linear\): c_in, h and w must be 16, 14 and 14",
        ),
        (
            [_relu(8, 14), _relu(8, 14), CONCAT],
            r"ops\[2\] \(concat\): c_out must be 16, got 8, as ops\[0\], ops\[1\] gives",
        ),
    ],
)
def test_wrong_lists_name_the_op_and_the_field(content: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse(content)


def test_ops_that_follow_from_one_another_pass() -> None:
    gate = [
        {"type": "pool", "mode": "global", "kernel": 14} | SIDES,
        _conv(c_in=16, kernel=1, h=1, w=1),
        {"type": "mul", "inputs": [0, 2]} | SIDES,
        {"type": "add", "inputs": [3, -1]} | SIDES,
        {"type": "concat", "c_in": 16, "c_out": 32, "h": 14, "w": 14, "inputs": [3, 4]},
        {"type": "flatten", "c_in": 32, "c_out": 32 * 196, "h": 14, "w": 14},
        {"type": "linear", "c_in": 32 * 196, "c_out": 10},
    ]
    assert list(mismatches(parse([_conv(padding=1), *gate]).ops)) == []


def test_a_file_that_is_no_list_of_ops_is_named(tmp_path: Path) -> None:
    file = tmp_path / "ops.json"
    for text, message in (("{", "not JSON"), ("[]", r"ops: "), ("[1]", r"ops\[0\]")):
        file.write_text(text)
        with pytest.raises(FileFormatError, match=f"ops.json: {message}"):
            read(file)
    file.write_text(json.dumps([_conv()]))
    assert len(read(file).ops) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "name a space, or a file of ops with --ops"),
        (("resnet20", "--ops", "ops.json"), "--ops takes no space"),
        (("--ops", "ops.json", "--gradient"), "none of --widths, --gradient"),
        (("--ops", "missing.json"), "missing.json: No such file"),
    ],
)
def test_the_command_takes_a_space_or_a_file(arguments: tuple[str, ...], message: str) -> None:
    url = {"LPNET_URL": "http://127.0.0.1:9"}
    done = invoke(app, "predict", "t", *arguments, environment=url)
    assert done.exit_code == 1
    assert message in done.stderr
