"""What the bundle remembers of the model."""

from __future__ import annotations

import cattrs.preconf.json
import pytest

from rowsmith.assembly.metadata import ModelMetadata, RopeScaling
from rowsmith.errors import ParameterError
from rowsmith.table.schema import JsonKind, ModelColumn, ModelSchema


def test_context_length_counts_scaling(make_metadata):
    assert make_metadata(100).max_seq_length == 100
    assert make_metadata(100, rope_scaling=RopeScaling("linear", 1.5)).max_seq_length == 150


@pytest.mark.parametrize("factor", [0.5, 6.5])
def test_scaling_out_of_range_is_refused(factor):
    with pytest.raises(ParameterError, match="from 1 to 6"):
        RopeScaling("linear", factor)


def test_lengths_below_one_are_refused(make_metadata):
    with pytest.raises(ParameterError, match="base_max_seq_length"):
        make_metadata(0)
    with pytest.raises(ParameterError, match="max_sequences_per_example"):
        make_metadata(10, 0)


@pytest.mark.parametrize("prefill", [None, '{"a":1}\n', {"group": '{"a":1}\n'}])
def test_survives_json(make_metadata, prefill):
    schema = ModelSchema(columns=(ModelColumn(name="a", kind=JsonKind.STRING, nullable=True, values=("x", "y")),))
    metadata = make_metadata(
        50, 3, rope_scaling=RopeScaling("yarn", 2.0, 1e4), model_schema=schema, pad_token_id=0, initial_prefill=prefill
    )
    converter = cattrs.preconf.json.make_converter()
    assert converter.loads(converter.dumps(metadata), ModelMetadata) == metadata
