"""The frame of a job's results, which costs nothing until somebody reads it."""

import copy
import dataclasses
import pickle

import pandas as pd
import pyarrow as pa
import pytest

from rowsmith.config import GenerationConfig, RunConfig
from rowsmith.dialect import RecordDialect
from rowsmith.generation import EngineBackend, GenerateJobResults, GenerationStatus
from rowsmith.generation.actions import ColumnActions, ColumnOutcome
from rowsmith.generation.lazy_frame import UnbuiltFrame
from rowsmith.table.schema import JsonKind, ModelColumn, ModelSchema
from rowsmith.testing.fake_engine import FakeEngine
from rowsmith.vocabulary import Vocabulary
from rowsmith_plugins.processors.tabular import TabularProcessor

TABLE = pa.table({"a": [1, 2, 3]})


class Source:
    """What a frame is built from; says how often that was done."""

    def __init__(self):
        self.built = 0

    def __call__(self):
        self.built += 1
        return TABLE.to_pandas()


@pytest.fixture
def source():
    return Source()


def results(source):
    return GenerateJobResults(UnbuiltFrame(source), GenerationStatus.COMPLETE, 3, 0, 1, 1.0, [1.0], columns=TABLE)


def test_rows_are_counted_without_building_the_frame(source):
    assert results(source).num_rows == 3
    assert source.built == 0


def test_the_frame_is_built_once_when_it_is_first_read(source):
    made = results(source)
    assert made.df["a"].tolist() == made.df["a"].tolist() == [1, 2, 3]
    assert made.df is made.df
    assert source.built == 1


def test_a_frame_that_is_given_stands_as_it_is(source):
    made = results(source)
    made.df = pd.DataFrame({"b": [7]})
    assert made.df["b"].tolist() == [7]
    assert source.built == 0


@pytest.mark.parametrize(
    "again",
    [copy.copy, copy.deepcopy, dataclasses.replace, lambda made: pickle.loads(pickle.dumps(made))],
    ids=["copy", "deepcopy", "replace", "pickle"],
)
def test_copies_have_the_frame(source, again):
    made = again(results(source))
    pd.testing.assert_frame_equal(made.df, TABLE.to_pandas())
    assert made.num_rows == 3


def test_the_frame_is_required_like_any_field_without_a_default():
    with pytest.raises(TypeError, match="df"):
        GenerateJobResults(status=GenerationStatus.COMPLETE)
    assert not hasattr(GenerateJobResults, "df")


class Columns(ColumnActions):
    """A data action of spelled tables, which says how often it made a frame."""

    def __init__(self):
        self.frames = 0

    def __call__(self, rows, accepted):
        raise NotImplementedError

    def on_columns(self, columns, record_ids):
        return ColumnOutcome(columns, {})

    def to_frame(self, columns):
        self.frames += 1
        return columns.to_pandas()


def test_a_job_whose_rows_are_columns_builds_no_frame_by_itself():
    schema = ModelSchema(columns=(ModelColumn(name="a", kind=JsonKind.STRING, nullable=False, values=("x", "y")),))
    vocabulary = Vocabulary(schema=schema)
    start = vocabulary.fields[0].start
    engine = FakeEngine(lambda request: [start + request.request_id % 2, vocabulary.eos_id])
    engine.vocabulary = vocabulary
    backend = EngineBackend(
        RunConfig(generation=GenerationConfig(num_records=50)),
        None,
        engine=engine,
        processor=TabularProcessor(RecordDialect(schema)),
        prompt_ids=[1],
        columns=schema.names,
    )
    backend.initialize()
    backend.prepare_params()
    actions = Columns()
    results = backend.generate(actions)
    assert (results.num_rows, actions.frames) == (50, 0)
    assert set(results.df["a"]) == {"x", "y"}
    assert actions.frames == 1
