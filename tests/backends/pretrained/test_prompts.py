"""What stands before the first record: the same ids in training and at generation, whatever the tokenizer does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from attrs import evolve
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from rowsmith.assembly import TrainingExampleAssembler, ranges_of
from rowsmith.config import RunConfig
from rowsmith.config.conversion import structure
from rowsmith.errors import ConfigError
from rowsmith.model import Bundle, PreparedModel
from rowsmith.runs.validation import registry_for
from rowsmith.table import from_frame
from rowsmith_backends.pretrained.model import PretrainedModel
from rowsmith_backends.pretrained.options import PretrainedOptions
from rowsmith_backends.pretrained.tokenizer_layout import plain_tokenizer, prompt_config_of
from rowsmith_backends.sampling.bundle_prompts import bundle_prompt_ids

from ...shared.base_models import END, make_base, make_tokenizer
from ...shared.fine_tuning import settings, tune

FRAME = pd.DataFrame({"a": ["x", "</s>", "<|endoftext|>", "<s>"] * 5, "</s>": np.arange(20), "<|endoftext|>": "y"})
LAYOUTS = [{"adds_bos": True}, {"adds_bos": False}, {"has_bos": False}]


def prepared_for(base: Path, frame: pd.DataFrame = FRAME, **options: object) -> tuple[PreparedModel, pa.Table]:
    table = from_frame(frame)
    model = PretrainedModel(PretrainedOptions(base=str(base), **options))
    return model.prepare(table.columns, table.schema), table.columns


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
def test_training_and_inference_prefix_are_the_same_ids(tmp_path: Path, layout: dict[str, bool]) -> None:
    """Promise C28."""
    base = make_base(tmp_path / "base", **layout)
    plain = {"transforms": [], "data": {"holdout": 0}}
    bundle = tune(FRAME, tmp_path / "run", base, sections=plain, training={"max_steps": 1})
    prepared, columns = prepared_for(base)
    config = structure(settings(base), RunConfig)
    examples = TrainingExampleAssembler.from_data(
        columns,
        prepared.tokenizer,
        prepared.metadata,
        config,
        test_size=0,
        seed=0,
        registry=registry_for(config),
        token_store=prepared.token_store,
    ).assemble_training_examples()
    ranges = ranges_of(examples.train)
    assert ranges is not None
    prefix = bundle_prompt_ids(bundle)
    assert prefix == list(ranges.prefix)
    assert examples.train[0]["input_ids"][: len(prefix)] == prefix


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
def test_the_layout_is_that_of_the_tokenizer(tmp_path: Path, layout: dict[str, bool]) -> None:
    base = make_base(tmp_path / "base", **layout)
    original = AutoTokenizer.from_pretrained(base)
    text = "Write records"
    bundle = tune(FRAME, tmp_path / "run", base, training={"max_steps": 1}, instruction=text, template="{instruction}")
    prefix, config = bundle_prompt_ids(bundle), bundle.metadata.prompt_config
    assert prefix[:-1] == original(text).input_ids
    assert prefix[-1] == config.bos_token_id
    assert config.bos_token == (END if layout.get("has_bos") is False else "<s>")


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
def test_no_cell_and_no_column_name_becomes_a_control_token(tmp_path: Path, layout: dict[str, bool]) -> None:
    base = make_base(tmp_path / "base", **layout)
    prepared, _ = prepared_for(base)
    tokenizer, store = prepared.tokenizer, prepared.token_store
    assert store is not None
    special = {tokenizer.convert_tokens_to_ids(text) for text in ("<s>", "</s>", END)}
    assert not special & set(store.ids.tolist())
    assert '"a":"</s>"' in tokenizer.decode(store.gather(np.array([1])))
    bundle = tune(FRAME, tmp_path / "run", base, training={"max_steps": 1})
    prefix = bundle_prompt_ids(bundle)
    assert not special & set(prefix[layout.get("adds_bos", False) : -1])
    assert '"</s>":<unk>' in tokenizer.decode(prefix)


def test_the_saved_tokenizer_is_the_one_of_training(tuned: Bundle, base: Path, frame: pd.DataFrame) -> None:
    prepared, _ = prepared_for(base, frame)
    read = AutoTokenizer.from_pretrained(tuned.model_directory)
    text = '{"city":"São","note":"  </s> é\\u0000"}\n'
    assert (
        read(text, add_special_tokens=False).input_ids == prepared.tokenizer(text, add_special_tokens=False).input_ids
    )
    assert (read.bos_token_id, read.eos_token_id) == (1, 2)


def metaspace_tokenizer(vocabulary: dict[str, int], **special: str) -> PreTrainedTokenizerFast:
    """A tokenizer in the manner of SentencePiece, which puts a space before every text."""
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[], byte_fallback=True, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    tokenizer.decoder = decoders.Sequence(steps)
    tokenizer.add_special_tokens([AddedToken(text, special=True, normalized=False) for text in special.values()])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>", **special)


def test_records_of_a_tokenizer_that_puts_a_space_first_do_not_depend_on_their_place() -> None:
    letters = {"<unk>": 0, "<s>": 1, "</s>": 2, "▁": 3, "{": 4, "}": 5}
    vocabulary = letters | {f"<0x{byte:02X}>": len(letters) + byte for byte in range(256)}
    tokenizer = metaspace_tokenizer(vocabulary, bos_token="<s>", eos_token="</s>")
    assert tokenizer("{}", add_special_tokens=False).input_ids == [3, 4, 5]
    assert plain_tokenizer(tokenizer)("{}", add_special_tokens=False).input_ids == [4, 5]


def test_tokenizers_that_cannot_spell_records_are_refused() -> None:
    tokenizer = metaspace_tokenizer({"<unk>": 0, "<s>": 1, "</s>": 2, "▁": 3}, bos_token="<s>", eos_token="</s>")
    with pytest.raises(ConfigError, match="give a record back"):
        plain_tokenizer(tokenizer)


def test_tokenizers_without_an_end_are_refused() -> None:
    tokenizer = make_tokenizer(has_bos=False)
    tokenizer.eos_token = None
    with pytest.raises(ConfigError, match="no EOS"):
        prompt_config_of(tokenizer, "")


def test_an_end_that_is_no_control_token_of_its_tokenizer_becomes_one() -> None:
    state = make_tokenizer().backend_tokenizer.to_str().replace('"special":true', '"special":false')
    plain = plain_tokenizer(
        PreTrainedTokenizerFast(tokenizer_object=Tokenizer.from_str(state), bos_token="<s>", eos_token="</s>")
    )
    ids = plain("</s>", add_special_tokens=False, split_special_tokens=True).input_ids
    assert plain.eos_token_id not in ids


def test_the_context_is_the_models_own_unless_less_will_do(tmp_path: Path) -> None:
    base = make_base(tmp_path / "base", context=4_096)
    assert prepared_for(base)[0].metadata.max_seq_length == 2_048
    wide = FRAME.assign(a=["x y" * 1_000] * 20)
    assert 4_000 > prepared_for(base, wide)[0].metadata.max_seq_length > 2_048
    short = make_base(tmp_path / "short", context=512)
    assert prepared_for(short)[0].metadata.max_seq_length == 512
    assert prepared_for(short, rope_scaling_factor=3)[0].metadata.max_seq_length == 3 * 512
    with pytest.raises(ConfigError, match="reads 512 tokens"):
        prepared_for(short, context=513)


def test_metadata_of_the_bundle_is_that_of_preparation(tuned: Bundle, base: Path, frame: pd.DataFrame) -> None:
    prepared, _ = prepared_for(base, frame, context=256)
    assert evolve(tuned.metadata, workdir=None, model_schema=None) == evolve(prepared.metadata, model_schema=None)
