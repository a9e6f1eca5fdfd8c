"""Assembling from a dataset's own columns: text of records, cache, splits of real datasets."""

from __future__ import annotations

import datetime
import json
import stat
from decimal import Decimal

import pyarrow as pa
import pytest
from datasets import Dataset

from rowsmith.assembly.token_store import tokenize_text
from rowsmith.errors import DataError, ParameterError
from rowsmith.table.columns import CODED_TEXT
from rowsmith.table.schema import JsonKind, ModelColumn, ModelSchema
from rowsmith_assemblers import TabularDataExampleAssembler

ROWS = {
    "n": [3, None, -1],
    "x": [0.1, 2.0, None],
    "flag": [True, False, None],
    "text": ['a "b"\n', "ü", None],
    "day": [datetime.date(2020, 1, 2), None, datetime.date(2021, 3, 4)],
    "empty": [None, None, None],
    "price": [Decimal("1.10"), Decimal("2.00"), None],
}


def _lines(dataset, tokenizer, metadata, **more):
    """The records of all examples as text; one record an example."""
    metadata.max_sequences_per_example = 1
    assembler = TabularDataExampleAssembler(dataset, tokenizer, metadata, **more)
    examples = assembler.assemble_training_examples().train
    return sorted(tokenizer.decode(example["input_ids"], skip_special_tokens=True) for example in examples)


@pytest.mark.parametrize("make", [pa.table, Dataset.from_dict])
def test_records_are_written_by_their_arrow_types(tokenizer, make_metadata, make):
    dataset = make(ROWS)
    found = _lines(dataset, tokenizer, make_metadata(template=""))
    assert all(line.endswith("\n") and line.count("\n") == 1 for line in found)
    assert sorted(found) == sorted(
        [
            '{"n":3,"x":0.1,"flag":true,"text":"a \\"b\\"\\n","day":"2020-01-02","empty":null,"price":1.10}\n',
            '{"n":null,"x":2.0,"flag":false,"text":"ü","day":null,"empty":null,"price":2.00}\n',
            '{"n":-1,"x":null,"flag":null,"text":null,"day":"2021-03-04","empty":null,"price":null}\n',
        ]
    )


def test_floats_and_booleans_in_the_spelling_of_the_schema(tokenizer, make_metadata):
    numbers = [1e-7, 1e16, -0.0, float("nan")]
    table = pa.table({"x": pa.array(numbers), "f": pa.array([0.1, 1, 2, 3], pa.float32()), "b": [True, False] * 2})
    typed = _lines(table, tokenizer, make_metadata(template=""))
    assert [json.loads(line)["x"] for line in typed] == [-0.0, 1e16, 1e-7, None]
    assert '"f":0.1,' in typed[2]
    schema = ModelSchema(
        columns=(ModelColumn(name="b", kind=JsonKind.BOOLEAN, nullable=False, values=("False", "True")),)
    )
    assert (
        _lines(table, tokenizer, make_metadata(template="", model_schema=schema))
        == ['{"b":false}\n'] * 2 + ['{"b":true}\n'] * 2
    )


def test_columns_of_several_chunks_are_read_whole(tokenizer, make_metadata):
    categories = [pa.array(values).dictionary_encode() for values in (["x", "y"], ["z", "x"])]
    numbers = [pa.array(values, pa.int64()) for values in ([1], [2, 3, 4])]
    table = pa.table({"a": pa.chunked_array(categories), "b": pa.chunked_array(numbers)}).slice(1)
    found = _lines(table, tokenizer, make_metadata(template=""))
    assert found == ['{"a":"x","b":4}\n', '{"a":"y","b":2}\n', '{"a":"z","b":3}\n']


def test_model_schema_decides_columns_and_order(tokenizer, make_metadata):
    columns = (
        ModelColumn(name="b", kind=JsonKind.NUMBER, nullable=False),
        ModelColumn(name="a", kind=JsonKind.STRING, nullable=True),
    )
    spelled = {name: pa.array(values).cast(CODED_TEXT) for name, values in {"a": ["1", None], "b": ["01", "2"]}.items()}
    spelled["b"] = pa.array(["1.50", "2"]).cast(CODED_TEXT)
    metadata = make_metadata(template="", model_schema=ModelSchema(columns=columns))
    table = pa.table({**spelled, "left out": pa.array([1, 2])})
    assert _lines(table, tokenizer, metadata) == ['{"b":1.50,"a":"1"}\n', '{"b":2,"a":null}\n']
    with pytest.raises(ParameterError, match="column 'b' and the dataset does not"):
        TabularDataExampleAssembler(table.drop(["b"]), tokenizer, metadata)


def test_dataset_with_an_order_of_its_own_is_read_in_it(tokenizer, make_metadata):
    dataset = Dataset.from_dict({"a": list(range(10))}).shuffle(seed=1).select(range(4))
    expected = sorted(f'{{"a":{value}}}\n' for value in dataset["a"])
    assert _lines(dataset, tokenizer, make_metadata(template="")) == expected


def test_token_store_and_text_give_the_same_examples(tokenizer, make_metadata):
    table = pa.table({"a": list(range(30))})
    store = tokenize_text([json.dumps({"a": value}, separators=(",", ":")) + "\n" for value in range(30)], tokenizer)
    made = [
        TabularDataExampleAssembler(table, tokenizer, make_metadata(), seed=3, token_store=given)
        for given in (None, store)
    ]
    first, second = (list(assembler.assemble_training_examples().train) for assembler in made)
    assert first == second


@pytest.mark.parametrize("values", [[[1], [2]], [{"a": 1}, {"a": 2}], [b"\xff", b"a"], [float("inf"), 1.0]])
def test_values_that_a_record_cannot_hold_are_refused(tokenizer, make_metadata, values):
    """Promise C32."""
    with pytest.raises(DataError, match="column 'v'"):
        _lines(pa.table({"v": values}), tokenizer, make_metadata())


def test_tokens_are_kept_privately_and_found_again(tokenizer, make_metadata, tmp_path):
    """Promise C18."""
    folder = tmp_path / "cache"

    def lines(values):
        dataset = pa.table({"a": values})
        return _lines(dataset, tokenizer, make_metadata(template=""), cache_file_path=folder)

    first = lines([1, 2, 3])
    (path,) = folder.iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    before = path.stat().st_mtime_ns
    assert lines([1, 2, 3]) == first
    assert path.stat().st_mtime_ns == before
    lines([1, 2, 4])
    assert len(list(folder.iterdir())) == 2
    path.write_bytes(b"damaged")
    assert lines([1, 2, 3]) == first
