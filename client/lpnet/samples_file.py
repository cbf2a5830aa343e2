"""Samples files: JSON lines, one sample a line."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from lpnet.errors import FileFormatError
from lpnet.schemas.sample import Sample

_LONGEST_LINE = 16 << 20


@dataclass(frozen=True)
class BadLine:
    """A line that is no sample: its number, counted from 1, and why."""

    number: int
    reason: str

    def __str__(self) -> str:
        return f"line {self.number}: {self.reason}"


@dataclass(frozen=True)
class SamplesFile:
    """What a file holds: samples with their line numbers, and the lines that are wrong."""

    samples: tuple[Sample, ...]
    lines: tuple[int, ...]
    bad: tuple[BadLine, ...]


def to_line(sample: Sample) -> str:
    """A sample as one line, without what is not known and marks that are not set."""
    unset = {name for name in ("sentinel", "disturbed", "reasons") if not getattr(sample, name)}
    return sample.model_dump_json(exclude_none=True, exclude=unset)


def write(path: Path, samples: Iterable[Sample]) -> None:
    """Write a samples file; what was there is replaced only once all is written."""
    draft = path.with_name(path.name + ".part")
    with draft.open("w", encoding="utf-8") as file:
        for sample in samples:
            file.write(to_line(sample) + "\n")
    draft.replace(path)


def read(path: Path, *, target: str = "") -> SamplesFile:
    """Read a samples file.

    A line without an id gets one made of the target and its own content, so that importing the
    same file again stores nothing twice, while a line that stands twice is two samples.

    Raises FileFormatError where there is no such file, or it is not text.
    """
    samples: list[Sample] = []
    numbers: list[int] = []
    bad: list[BadLine] = []
    seen: Counter[str] = Counter()
    for number, line in _lines(path):
        try:
            sample = Sample.model_validate_json(line)
        except ValidationError as error:
            bad.append(BadLine(number, _reason(error)))
            continue
        if sample.id is None:
            seen[line] += 1
            text = f"{target}\n{line}\n{seen[line]}"
            sample = sample.model_copy(
                update={"id": hashlib.sha256(text.encode()).hexdigest()[:32]}
            )
        samples.append(sample)
        numbers.append(number)
    return SamplesFile(tuple(samples), tuple(numbers), tuple(bad))


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    try:
        with path.open(encoding="utf-8") as file:
            lines = iter(lambda: file.readline(_LONGEST_LINE + 1), "")
            for number, line in enumerate(lines, start=1):
                if len(line) > _LONGEST_LINE:
                    raise FileFormatError(
                        f"{path}: line {number} has more than {_LONGEST_LINE >> 20} Mi characters"
                    )
                if line.strip():
                    yield number, line.strip()
    except OSError as error:
        raise FileFormatError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise FileFormatError(f"{path} is not a text file: {error.reason}") from error


def _reason(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_context=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    more = error.error_count() - 1
    return f"{where + ': ' if where else ''}{first['msg']}{f' (and {more} more)' if more else ''}"
