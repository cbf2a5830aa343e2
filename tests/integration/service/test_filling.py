"""The databases that benchmarks fill are what a service would have stored."""

from __future__ import annotations

import pytest
from benchmarks.storage.filling import fill

from lpnet.schemas.sample import Sample, SampleBatch
from lpnet_service.services.measuring import campaigns, ingest
from lpnet_service.services.reading import samples, table
from lpnet_service.services.shared import targets
from lpnet_service.services.shared.context import Context


@pytest.mark.slow
def test_a_filled_database_answers_and_its_samples_are_valid(lite: Context) -> None:
    filled = fill(lite, samples=200, targets=2)
    listed = targets.list_targets(lite)
    assert len(listed) == 2
    assert {campaign.state for campaign in campaigns.page(lite, limit=10).items} == {"done"}
    name = listed[0].name
    page = table.page(lite, name, {}, sort="latency_ms", after=None, limit=500)
    assert len(page.items) == listed[0].samples
    assert {row.held_out for row in page.items} == {True, False, None} - (
        set() if any(row.disturbed for row in page.items) else {None}
    )
    lines = "".join(samples.export(lite, name, "jsonl")).splitlines()
    parsed = tuple(Sample.model_validate_json(line) for line in lines)
    # The service would take the same, and write them down in the same way.
    ingest.store(lite, SampleBatch(target="again", samples=parsed), create=True)
    assert "".join(samples.export(lite, "again", "jsonl")).splitlines() == lines
    other_lines = "".join(samples.export(lite, listed[1].name, "jsonl")).splitlines()
    assert filled.samples == len(lines) + len(other_lines)
    assert filled.jsonl_bytes == sum(len(line) + 1 for line in [*lines, *other_lines])
