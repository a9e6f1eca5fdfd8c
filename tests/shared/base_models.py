"""Small models of the pretrained kind: random weights, and a byte-level BPE tokenizer of English text."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast

BOS, EOS, END = "<s>", "</s>", "<|endoftext|>"


@cache
def _trained(vocab_size: int) -> str:
    from pydoc_data.topics import topics

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[END, BOS, EOS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(topics.values(), trainer)
    return tokenizer.to_str()


def make_tokenizer(*, adds_bos: bool = False, has_bos: bool = True, vocab_size: int = 2048) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer.

    Args:
        adds_bos: Whether it puts BOS before every text by itself.
        has_bos: Whether it has a BOS at all; without one it ends texts with ``<|endoftext|>``.
        vocab_size: Its tokens.
    """
    tokenizer = Tokenizer.from_str(_trained(vocab_size))
    if adds_bos:
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{BOS} $A", special_tokens=[(BOS, tokenizer.token_to_id(BOS))]
        )
    special = {"bos_token": BOS, "eos_token": EOS} if has_bos else {"eos_token": END}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special)


def make_base(
    folder: Path,
    *,
    adds_bos: bool = False,
    has_bos: bool = True,
    seed: int = 0,
    width: int = 128,
    layers: int = 2,
    heads: int = 4,
    context: int = 1024,
    vocab_size: int = 2048,
    architecture: str = "llama",
) -> Path:
    """Save a causal language model of random weights with its tokenizer, as they come from a hub.

    Args:
        folder: Where it goes.
        adds_bos: As for ``make_tokenizer``.
        has_bos: As for ``make_tokenizer``.
        seed: Of the weights.
        width: Hidden size.
        layers: Blocks.
        heads: Attention heads.
        context: The most tokens.
        vocab_size: Tokens of the vocabulary.
        architecture: A model type of transformers that takes Llama's sizes, such as ``llama``, ``mistral``, ``qwen2``.
    """
    tokenizer = make_tokenizer(adds_bos=adds_bos, has_bos=has_bos, vocab_size=vocab_size)
    config = AutoConfig.for_model(
        architecture,
        vocab_size=len(tokenizer),
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=heads,
        intermediate_size=2 * width,
        max_position_embeddings=context,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=None,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
