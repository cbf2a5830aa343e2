"""What an export holds."""

from __future__ import annotations

from lpnet.schemas.sample import Sample
from lpnet_service.services.reading.samples import COLUMNS


def test_every_field_of_a_sample_is_a_column_once() -> None:
    assert sorted(COLUMNS) == sorted(Sample.model_fields)
