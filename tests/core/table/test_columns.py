"""Columns as codes."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from rowsmith.table.columns import combined_codes, from_codes


@given(st.lists(st.tuples(st.integers(-1, 2), st.integers(-1, 1)), max_size=20))
def test_each_combination_of_values_has_one_code_by_first_appearance(rows: list[tuple[int, int]]) -> None:
    codes = np.array(rows, dtype=np.int32).reshape(-1, 2)
    columns = pa.table({"a": from_codes(["x", "y", "z"], codes[:, 0]), "b": from_codes(["p", "q"], codes[:, 1])})
    seen: dict[tuple[int, int], int] = {}
    expected = [seen.setdefault(row, len(seen)) for row in rows]
    assert combined_codes(columns, ["a", "b"]).tolist() == expected
    assert combined_codes(columns, []).tolist() == [0] * len(rows)
