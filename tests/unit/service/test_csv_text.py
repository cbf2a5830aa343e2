"""CSV that a spreadsheet opens: no text is a formula, and every value is kept."""

from __future__ import annotations

import csv
import io

from hypothesis import given
from hypothesis import strategies as st

from lpnet_service.services.reading.csv_text import to_csv

STARTS = "=+-@\t\r"
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
CELLS = TEXTS | st.builds(str.__add__, st.sampled_from(STARTS), TEXTS)


@given(st.lists(st.lists(CELLS, min_size=1, max_size=4), max_size=4))
def test_texts_are_no_formulas_and_are_kept(rows: list[list[str]]) -> None:
    read = list(csv.reader(io.StringIO(to_csv(rows), newline="")))
    for written, row in zip(rows, read, strict=True):
        assert not any(cell.startswith(tuple(STARTS)) for cell in row)
        assert [cell.removeprefix("'") for cell in row] == [
            cell.removeprefix("'") for cell in written
        ]


def test_numbers_may_be_negative() -> None:
    assert to_csv([[-1.5, None, '=HYPERLINK("x")', "a"]]) == '-1.5,,"\'=HYPERLINK(""x"")",a\r\n'
