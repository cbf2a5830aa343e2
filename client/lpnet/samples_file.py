"""Samples files: JSON lines with a sample per line."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from lpnet import op_lists
from lpnet.errors import FileFormatError
from lpnet.schemas.sample import Sample
from lpnet.text_file import BYTE_ORDER_MARK, open_text

_MAX_LINE_LENGTH = 16 << 20


@dataclass(frozen=True)
class BadLine:
    """A line that is not a sample: its number, counted from 1, and the reason."""

    number: int
    reason: str

    def __str__(self) -> str:
        return f"line {self.number}: {self.reason}"


@dataclass(frozen=True)
class SamplesFile:
    """The content of a file: samples, the line number of each, and the wrong lines."""

    samples: tuple[Sample, ...]
    lines: tuple[int, ...]
    bad: tuple[BadLine, ...]


def to_line(sample: Sample) -> str:
    """Unknown values and unset marks are left out."""
    unset = {name for name in ("sentinel", "disturbed", "reasons") if not getattr(sample, name)}
    return sample.model_dump_json(exclude_none=True, exclude=unset)


def write(path: Path, samples: Iterable[Sample]) -> None:
    """An existing file is replaced only after all samples are written."""
    draft = path.with_name(path.name + ".part")
    with draft.open("w", encoding="utf-8") as file:
        for sample in samples:
            file.write(to_line(sample) + "\n")
    draft.replace(path)


def read(path: Path, *, target: str = "") -> SamplesFile:
    """A line without an id gets one: a hash of the target, the line, and how often the line
    occurred before. So importing the same file again stores nothing twice, and equal lines are two
    samples.

    Raises FileFormatError if the file is missing or not UTF-8 text. Byte order marks are no part
    of the text.
    """
    samples: list[Sample] = []
    numbers: list[int] = []
    bad: list[BadLine] = []
    occurrences: Counter[str] = Counter()
    for number, line in _lines(path):
        if not samples and not bad and _is_table(line):
            raise FileFormatError(
                f"{path} is not JSON lines: line {number} is {line[:60]!r}. If it is a table, "
                "name it FILE.csv"
            )
        try:
            sample = Sample.model_validate_json(op_lists.expanded_line(line))
        except ValidationError as error:
            bad.append(BadLine(number, first_reason(error)))
            continue
        except ValueError as error:
            bad.append(BadLine(number, f"workload.{error}"))
            continue
        if sample.id is None:
            occurrences[line] += 1
            text = f"{target}\n{line}\n{occurrences[line]}"
            sample = sample.model_copy(
                update={"id": hashlib.sha256(text.encode()).hexdigest()[:32]}
            )
        samples.append(sample)
        numbers.append(number)
    return SamplesFile(tuple(samples), tuple(numbers), tuple(bad))


def _is_table(line: str) -> bool:
    return not line.startswith("{") and any(delimiter in line for delimiter in ",;\t")


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    with open_text(path) as file:
        lines = iter(lambda: file.readline(_MAX_LINE_LENGTH + 1), "")
        for number, line in enumerate(lines, start=1):
            if len(line) > _MAX_LINE_LENGTH:
                limit = f"{_MAX_LINE_LENGTH >> 20} Mi characters"
                raise FileFormatError(f"{path}: line {number} is longer than {limit}")
            # Files that were joined have the marks of each inside.
            content = line.removeprefix(BYTE_ORDER_MARK).strip()
            if content:
                yield number, content


def first_reason(error: ValidationError) -> str:
    """The first fault, and how many more there are."""
    first = error.errors(include_url=False, include_context=False)[0]
    field = ".".join(str(part) for part in first["loc"])
    more = error.error_count() - 1
    return f"{field + ': ' if field else ''}{first['msg']}{f' (and {more} more)' if more else ''}"
