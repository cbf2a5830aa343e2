"""Lists of ops that people write by hand."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.harness.in_process import invoke

from lpnet import zoo
from lpnet.cli.main import app
from lpnet.errors import FileFormatError
from lpnet.op_lists import expanded_line, parse, read, sample_errors
from lpnet.op_shapes import mismatches
from lpnet.schemas.sample import Sample
from lpnet.schemas.workload import OpsWorkload

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


MATMUL = {"type": "matmul", "c_in": 32, "c_out": 20, "h": 5, "groups": 4, "inputs": [0, 1]}


def _linear(c_in: int, c_out: int, tokens: int = 5) -> Fields:
    return {"type": "linear", "c_in": c_in, "c_out": c_out, "h": tokens, "inputs": [-1]}


def test_operands_of_a_product_have_the_values_that_it_takes() -> None:
    softmax = {"type": "softmax", "c_in": 4, "c_out": 4, "h": 5, "w": 5}
    scores = [_linear(16, 32), _linear(16, 32), MATMUL, softmax]
    assert parse(scores)
    # The second operand is shared by the heads.
    assert parse([_linear(16, 32), _linear(16, 8), MATMUL])
    with pytest.raises(ValueError, match=r"ops\[2\] \(matmul\): 4 x \(5 x 8\) times .* got 60"):
        parse([_linear(16, 32), _linear(16, 12), MATMUL])
    with pytest.raises(ValueError, match=r"ops\[3\] \(softmax\): .* must be 20, 5 and 1"):
        parse([*scores[:3], softmax | {"h": 6}])


def test_tokens_may_lie_in_a_row_and_pixels_may_not() -> None:
    norm = {"type": "norm", "function": "layer", "c_in": 32, "c_out": 32, "h": 1, "w": 5}
    assert parse([_linear(16, 32), norm])
    relu = _relu(16, 14)
    with pytest.raises(ValueError, match=r"ops\[2\] \(linear\): c_in, h and w must be 16, 14"):
        parse([_conv(padding=1), relu, {"type": "linear", "c_in": 16 * 196, "c_out": 10}])


def test_tokens_may_be_concatenated() -> None:
    concat = {"type": "concat", "c_in": 16, "c_out": 16, "w": 1, "inputs": [0, 1]}
    parts = [_linear(8, 16, tokens=1), _linear(8, 16, tokens=64)]
    assert parse([*parts, concat | {"h": 65}])
    with pytest.raises(ValueError, match=r"ops\[2\] \(concat\): c_out \* h \* w must be 1040"):
        parse([*parts, concat | {"h": 66}])


@pytest.mark.parametrize(
    ("kind", "sizes"),
    [
        ("attention", {"channels": 32, "heads": 4, "tokens": 5}),
        ("ffn", {"channels": 16, "hidden": 32, "tokens": 5, "norm": 1}),
        ("swiglu", {"channels": 16, "hidden": 32, "tokens": 5}),
        ("mbconv", {"channels": 8, "hidden": 32, "side": 7, "squeeze": 1}),
    ],
)
def test_the_ops_of_a_space_follow_from_one_another(kind: str, sizes: dict[str, int]) -> None:
    space = zoo.block(kind, **sizes)
    half = [max(w.granule, w.max // 2 // w.granule * w.granule) for w in space.widths]
    for widths in (space.dense, half):
        assert list(mismatches(space.ops(widths))) == []


def test_a_line_of_a_samples_file_may_be_short() -> None:
    line = json.dumps({"workload": {"ops": [_conv(padding="same", bias=True)]}, "latency_ms": 1})
    sample = Sample.model_validate_json(expanded_line(line))
    assert sample.workload == parse([_conv(padding="same")])
    for other in ("{", "[]", '{"workload": {"ops": 3}}', "[" * 100_000 + '"ops"'):
        assert expanded_line(other) == other
    with pytest.raises(ValueError, match=r"ops\[0\]\.padding: "):
        expanded_line(line.replace("3", "4"))


def test_samples_whose_ops_do_not_follow_are_named() -> None:
    def sample(*ops: Fields) -> Sample:
        return Sample(workload=parse_unchecked(ops), latency_ms=1.0)

    good, bad = sample(_conv(padding=[1, 1])), sample(_conv(padding=[1, 1]), _relu(8, 14))
    assert sample_errors([good, good]) == {}
    (reason,) = sample_errors([good, bad]).values()
    assert reason.startswith("workload.ops[1] (activation): c_in, h and w must be 16, 14 and 14")


def parse_unchecked(ops: Sequence[Fields]) -> OpsWorkload:
    full = [op | ({"kernel": [3, 3]} if "kernel" in op else {}) for op in ops]
    return OpsWorkload.model_validate_json(json.dumps({"ops": full}))


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
