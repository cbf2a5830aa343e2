"""Samples files: what is written can be read, and a wrong line is named."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.harness.ops import ops_workloads

from lpnet import samples_file
from lpnet.errors import FileFormatError
from lpnet.schemas.sample import Conditions, Sample
from lpnet.schemas.workload import OpsWorkload, SpaceWorkload, workload_key

workloads = st.one_of(
    ops_workloads,
    st.builds(
        SpaceWorkload,
        space=st.text("0123456789abcdef", min_size=64, max_size=64),
        block=st.none() | st.text(max_size=20),
        widths=st.dictionaries(st.text(min_size=1, max_size=20), st.integers(1, 4096), max_size=5),
        batch=st.integers(1, 64),
    ),
)
milliseconds = st.floats(1e-6, 1e6)
samples = st.builds(
    Sample,
    kind=st.sampled_from(["block", "network"]),
    workload=workloads,
    latency_ms=milliseconds,
    std_ms=st.none() | st.floats(0, 1e6),
    count=st.none() | st.integers(1, 10_000),
    converged=st.none() | st.booleans(),
    id=st.text("abcdef0123456789", min_size=8, max_size=32),
    disturbed=st.booleans(),
    conditions=st.none() | st.builds(Conditions, wall_s=st.floats(0, 1e6)),
)


@given(st.lists(samples, max_size=5))
def test_what_is_written_is_read_again(
    tmp_path_factory: pytest.TempPathFactory, written: list[Sample]
) -> None:
    path = tmp_path_factory.mktemp("samples") / "samples.jsonl"
    samples_file.write(path, written)
    read = samples_file.read(path)
    assert list(read.samples) == written
    assert read.bad == ()


def test_the_example_of_the_docs_is_a_sample() -> None:
    line = (
        '{"kind": "block", "workload": {"batch": 1, "ops": [{"type": "conv2d", "c_in": 64, '
        '"c_out": 128, "h": 56, "w": 56, "kernel": [3, 3], "stride": [1, 1], "padding": [1, 1], '
        '"groups": 1}]}, "latency_ms": 1.234, "std_ms": 0.01, "count": 50}'
    )
    sample = Sample.model_validate_json(line)
    assert isinstance(sample.workload, OpsWorkload)
    assert sample.latency_ms == 1.234


GOOD = '{"workload": {"ops": [{"type": "linear", "c_in": 3, "c_out": 4}]}, "latency_ms": 1.5}'


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("not json", "JSON"),
        (GOOD.replace("1.5", "-1"), "latency_ms"),
        (GOOD.replace("1.5", '"NaN"'), "latency_ms"),
        (GOOD.replace("linear", "lstm"), "lstm"),
        (GOOD.replace('"c_in": 3, ', ""), "c_in"),
        (GOOD.replace('"c_in": 3', '"c_in": 0'), "c_in"),
        (GOOD[:-1] + ', "latency": 3}', "latency"),
    ],
)
def test_a_wrong_line_is_named_with_its_reason(tmp_path: Path, line: str, named: str) -> None:
    path = tmp_path / "samples.jsonl"
    path.write_text(f"{GOOD}\n\n{line}\n{GOOD}\n")
    read = samples_file.read(path)
    assert len(read.samples) == 2
    (bad,) = read.bad
    assert bad.number == 3
    assert named in bad.reason


def test_ids_are_stable_and_a_repeated_line_is_another_sample(tmp_path: Path) -> None:
    path = tmp_path / "samples.jsonl"
    path.write_text(f"{GOOD}\n{GOOD}\n")
    first, again = samples_file.read(path, target="a"), samples_file.read(path, target="a")
    assert [s.id for s in first.samples] == [s.id for s in again.samples]
    assert len({s.id for s in first.samples}) == 2
    other = samples_file.read(path, target="b")
    assert {s.id for s in first.samples}.isdisjoint(s.id for s in other.samples)


def test_a_missing_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match=r"nothing\.jsonl"):
        samples_file.read(tmp_path / "nothing.jsonl")


def test_a_workload_has_one_key_whatever_the_order_of_its_widths() -> None:
    one = SpaceWorkload(space="0" * 64, widths={"a": 1, "b": 2})
    other = SpaceWorkload(space="0" * 64, widths={"b": 2, "a": 1})
    assert workload_key(one) == workload_key(other)
    assert workload_key(one) != workload_key(one.model_copy(update={"batch": 2}))


def test_a_line_without_end_is_refused_by_its_number(tmp_path: Path) -> None:
    path = tmp_path / "samples.jsonl"
    path.write_text("{}\n" + "9" * ((16 << 20) + 1))
    with pytest.raises(FileFormatError, match="line 2 is longer than 16 Mi characters"):
        samples_file.read(path)


WINDOWS = (GOOD + "\r\n").encode()
MARK = b"\xef\xbb\xbf"


@pytest.mark.parametrize(
    "content",
    [MARK + 2 * WINDOWS, WINDOWS + MARK + WINDOWS, WINDOWS + MARK + b"\r\n" + WINDOWS],
    ids=["at the start", "files that were joined", "on an empty line"],
)
def test_a_byte_order_mark_and_line_ends_of_windows_are_no_content(
    tmp_path: Path, content: bytes
) -> None:
    path, plain = tmp_path / "windows.jsonl", tmp_path / "plain.jsonl"
    path.write_bytes(content)
    plain.write_text(f"{GOOD}\n{GOOD}\n")
    read = samples_file.read(path, target="t")
    assert not read.bad
    assert [s.id for s in read.samples] == [
        s.id for s in samples_file.read(plain, target="t").samples
    ]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_utf_16_is_refused_with_a_remedy(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "samples.jsonl"
    path.write_bytes(f"{GOOD}\n".encode(encoding))
    with pytest.raises(FileFormatError, match=r"samples\.jsonl is UTF-16 .* save it as UTF-8"):
        samples_file.read(path)


def test_another_encoding_is_refused_with_a_remedy(tmp_path: Path) -> None:
    path = tmp_path / "samples.jsonl"
    path.write_bytes(GOOD.encode() + b"\n\x93quoted\x94\n")
    with pytest.raises(FileFormatError, match=r"is not UTF-8 text; save it as UTF-8"):
        samples_file.read(path)


def test_scripts_may_use_the_earlier_name_of_the_module(tmp_path: Path) -> None:
    from lpnet import samples

    path = tmp_path / "samples.jsonl"
    path.write_text(GOOD)
    assert len(samples.read(path).samples) == 1
