"""Preparing tables for comparison."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from rowsmith.errors import DataError, ParameterError
from rowsmith.evaluation import ColumnKind, EvaluationTables, Part, evaluation_tables
from rowsmith.table import Table
from rowsmith.table.frames import from_frame


def _table(**columns: object) -> Table:
    return from_frame(pd.DataFrame(columns))


def _prepared(**options: object) -> EvaluationTables:
    real = _table(age=[30, 41, 30, None], job=["a", "b", "a", "c"], id=["x1", "x2", "x3", "x4"])
    synthetic = _table(age=[41.0, 41.5, 30.0], job=["a", "d", None], id=["y1", "y2", "y3"])
    return evaluation_tables(real, synthetic, keys=["id"], **options)  # type: ignore[arg-type]


def test_labels_are_shared_and_numbers_are_one_label_however_they_are_spelled() -> None:
    age = _prepared().column("age")
    assert age.kind is ColumnKind.NUMBER
    assert age.whole
    assert age.counts(Part.REAL).tolist() == [2, 1, 0]
    assert age.counts(Part.SYNTHETIC).tolist() == [1, 1, 1]
    assert np.isnan(age.numbers(Part.REAL)[3])
    assert sorted(age.numbers(Part.SYNTHETIC).tolist()) == [30.0, 41.0, 41.5]


def test_kinds_follow_the_real_table_and_keys_are_named() -> None:
    kinds = {column.name: column.kind for column in _prepared().columns}
    assert kinds == {"age": ColumnKind.NUMBER, "job": ColumnKind.LABEL, "id": ColumnKind.KEY}


def test_labels_have_no_numbers() -> None:
    with pytest.raises(ValueError, match="'job' holds label values"):
        _prepared().column("job").numbers(Part.REAL)


def test_a_missing_column_is_named() -> None:
    with pytest.raises(DataError, match="the synthetic table lacks 1 of the real table's columns: job"):
        evaluation_tables(_table(age=[1, 2], job=["a", "b"]), _table(age=[1, 2]))


def test_an_unknown_group_column_is_named() -> None:
    with pytest.raises(ParameterError, match="no column 'person'; they have age, job, id"):
        _prepared(group_by=["person"])


def test_an_empty_table_is_refused() -> None:
    with pytest.raises(DataError, match="the synthetic table has no rows"):
        evaluation_tables(_table(age=[1, 2]), _table(age=[1, 2]).take(np.arange(0)))


def test_samples_are_whole_groups_in_order_and_the_same_every_time() -> None:
    rows = _table(person=np.repeat(np.arange(40), 5), visit=np.tile(np.arange(5), 40))
    tables = evaluation_tables(rows, rows, group_by=["person"], seed=3)
    first, second = tables.sampled(50), tables.sampled(50)
    assert first.sizes == second.sizes == {Part.REAL: 50, Part.SYNTHETIC: 50}
    assert np.bincount(first.groups[Part.REAL]).tolist() == [5] * 10
    assert first.column("visit").numbers(Part.REAL).tolist() == [*range(5)] * 10
    assert np.array_equal(first.column("person").codes[Part.REAL], second.column("person").codes[Part.REAL])
