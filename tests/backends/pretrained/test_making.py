"""The models that the tests take for pretrained ones are what they say."""

from __future__ import annotations

from pathlib import Path

import pytest
from transformers import AutoModelForCausalLM, AutoTokenizer

from ...shared.base_models import BOS, END, make_base, make_tokenizer


def test_a_base_is_an_ordinary_checkpoint_with_its_tokenizer(tmp_path: Path) -> None:
    folder = make_base(tmp_path / "base", adds_bos=True)
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    ids = tokenizer("Text, \u00e9\u4e1c and {json}\n").input_ids
    assert ids[0] == tokenizer.bos_token_id
    assert tokenizer.decode(ids[1:]) == "Text, \u00e9\u4e1c and {json}\n"
    assert model.config.vocab_size == len(tokenizer) == 2048
    assert sorted(path.name for path in folder.iterdir() if path.suffix in (".bin", ".pt", ".py")) == []


@pytest.mark.parametrize(
    ("adds_bos", "has_bos", "first"), [(True, True, BOS), (False, True, None), (False, False, None)]
)
def test_a_tokenizer_adds_bos_or_does_not(adds_bos: bool, has_bos: bool, first: str | None) -> None:
    tokenizer = make_tokenizer(adds_bos=adds_bos, has_bos=has_bos)
    tokens = tokenizer.convert_ids_to_tokens(tokenizer("a").input_ids)
    assert tokens == ([first] if first else []) + ["a"]
    assert tokenizer.bos_token == (BOS if has_bos else None)
    assert has_bos or tokenizer.eos_token == END
