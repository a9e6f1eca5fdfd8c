"""Prompts: text, ids, and the prefix that training and generation share."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest

from rowsmith.assembly.prompts import inference_prefix, lay_out, prompt_ids, schema_prompt
from rowsmith.errors import ParameterError
from rowsmith_assemblers import TabularDataExampleAssembler


def test_column_names_are_written_as_json_strings():
    names = ["plain", 'a "quoted" name', "back\\slash", "line\nend", "größe 🙂"]
    prompt = schema_prompt(names, "", "{schema}")
    assert json.loads("{" + prompt.replace("<unk>", "0") + "}") == dict.fromkeys(names, 0)
    assert "größe 🙂" in prompt


def test_braces_and_places_in_names_stay_text():
    assert schema_prompt(["{instruction}"], "do: ", "{instruction}{schema}") == 'do: "{instruction}":<unk>'


def test_prefill_is_left_to_generation():
    assert schema_prompt(["a"], "do ", "[{instruction}{schema}]{prefill}") == '[do "a":<unk>]'


def test_empty_template_gives_an_empty_prompt_and_no_ids(tokenizer, make_metadata):
    assert schema_prompt(["a", "b"], "do", "") == ""
    metadata = make_metadata(template="", bos=True, eos=True)
    assert prompt_ids("", tokenizer, metadata.prompt_config) == []
    assert inference_prefix("", tokenizer, metadata) == [1]


def test_doubled_braces_are_literal():
    assert schema_prompt(["a"], "", "{{{schema}}}") == '{"a":<unk>}'


@pytest.mark.parametrize("template", ["{shema}", "{schema.__class__}", "{schema!r}", "{schema:>9}", "{0}", "{schema"])
def test_other_places_are_refused(template):
    with pytest.raises(ParameterError, match="brace twice"):
        schema_prompt(["a"], "", template)


@pytest.mark.parametrize("bos", [False, True])
@pytest.mark.parametrize("eos", [False, True])
@pytest.mark.parametrize("which", ["tokenizer", "bos_tokenizer"])
def test_prompt_is_enclosed_as_the_model_wants_it(request, make_metadata, which, bos, eos):
    tokenizer = request.getfixturevalue(which)
    config = make_metadata(bos=bos, eos=eos).prompt_config
    inside = tokenizer.encode("Say a", add_special_tokens=False)
    ids = prompt_ids("Say a", tokenizer, config)
    assert ids == [1] * bos + inside + [2] * eos
    assert lay_out(ids, [7, 8], config) == [*ids, 1, 7, 8, 2]


@pytest.mark.parametrize("template", ["Say {instruction}{schema}\n", ""])
@pytest.mark.parametrize("bos", [False, True])
@pytest.mark.parametrize("eos", [False, True])
@pytest.mark.parametrize("which", ["tokenizer", "bos_tokenizer"])
def test_training_prefix_equals_inference_prefix(request, make_metadata, which, bos, eos, template):
    """Promise C27."""
    tokenizer = request.getfixturevalue(which)
    metadata = make_metadata(template=template, bos=bos, eos=eos)
    table = pa.table({"a": [1, 2, 3], "b": ["x", "y", None]})
    assembler = TabularDataExampleAssembler(table, tokenizer, metadata, seed=0)
    prompt = schema_prompt(table.column_names, metadata.instruction, metadata.prompt_config.template)
    prefix = inference_prefix(prompt, tokenizer, metadata)
    example = assembler.assemble_training_examples().train[0]
    assert example["input_ids"][: len(prefix)] == prefix
    assert tokenizer.decode(example["input_ids"][len(prefix) :]).startswith('{"a":')
