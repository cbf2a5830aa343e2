"""Writing the tables into docs/results/spaces.md, from results.json and speed.json.

python -m benchmarks.spaces.docs
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from benchmarks.generated import with_parts
from benchmarks.spaces import sabotage, table
from benchmarks.spaces.catalogue import FAMILIES
from benchmarks.spaces.record import RECORDS, Record, read
from benchmarks.spaces.speed import results

PAGE = Path(__file__).parents[2] / "docs" / "results" / "spaces.md"
RESULTS = Path(__file__).with_name("results.json")
_MODULE = "benchmarks.spaces.docs"
_PARTS = {
    "figures": table.figures,
    "packages": table.packages,
    "failures": table.failures,
    "families": table.families,
}


def collect(folder: Path) -> None:
    """Write the records of a folder, and what became of the sabotage, into the results file."""
    order = {family.name: index for index, family in enumerate(FAMILIES)}
    records = [read(path) for path in folder.glob("*--*.json")]
    listed = sorted((r for r in records if r.name in order), key=lambda r: order[r.name])
    trial = folder / sabotage.FILE
    content = {
        "sabotage": json.loads(trial.read_text()) if trial.exists() else [],
        "families": [asdict(record) for record in listed],
    }
    RESULTS.write_text(json.dumps(content, indent=1) + "\n")


def load() -> tuple[list[Record], list[dict[str, str]]]:
    """The records of all families, and the rows of the sabotage."""
    content = json.loads(RESULTS.read_text())
    return RECORDS.validate_python(content["families"]), content["sabotage"]


def rendered(text: str) -> str:
    """The page with every generated part as the results file has it."""
    records, trial = load()
    parts = {name: render(records) for name, render in _PARTS.items()}
    parts["sabotage"] = table.sabotage(trial)
    parts["speed"] = results.table(results.load())
    return with_parts(text, _MODULE, parts)


def write() -> None:
    PAGE.write_text(rendered(PAGE.read_text()))


if __name__ == "__main__":
    write()
