"""The Hugging Face tokenizer of a columnar vocabulary, and the pieces it learns for open columns.

Any backend can load it: ordinary BPE over bytes with ``ignore_merges``, so that a whole fragment such
as ``,"workclass":"Private"`` is one token. Three splits cut a record the way ``vocabulary`` does: at
column boundaries, after the token that opens a value, and before the one that closes it. A value's
content cannot fake a boundary, for the dialect escapes its quotes.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from rowsmith.dialect import json_string
from rowsmith.table.columns import count_codes, distinct
from rowsmith.table.schema import JsonKind, ModelSchema
from rowsmith.vocabulary import BOS, EOS, PAD, UNKNOWN, OpenField, Vocabulary
from rowsmith_backends.scratch.shared_pieces import merges_of_groups, shared_merges, texts_by_group

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

__all__ = ["build_tokenizer", "learn_vocabulary", "open_texts"]

_STRING = r'"(?:[^"\\]|\\.)*"'
_NUMBER = r"[-+.0-9eE]+"


def open_texts(columns: pa.Table, schema: ModelSchema) -> dict[str, Counter[str]]:
    """The JSON contents of the open columns, without quotes, and the rows that hold each.

    Args:
        columns: A spelled table.
        schema: Its model schema.

    Returns:
        For each open column, rows by content.
    """
    found: dict[str, Counter[str]] = {}
    for column in schema:
        if column.closed:
            continue
        values, codes = distinct(columns, column.name)
        counts = count_codes(codes, len(values)).tolist()
        text = column.kind is JsonKind.STRING
        found[column.name] = Counter(
            {json_string(value)[1:-1] if text else value: rows for value, rows in zip(values, counts, strict=True)}
        )
    return found


def learn_vocabulary(
    columns: pa.Table, schema: ModelSchema, *, max_pieces: int = 1_000, min_rows: int = 10, max_length: int = 12
) -> Vocabulary:
    """Build the vocabulary of a table; open columns get byte pieces learned from their values.

    Args:
        columns: The spelled training table after all transforms.
        schema: Its model schema.
        max_pieces: The most pieces to learn, single bytes included.
        min_rows: The fewest rows with a piece, so that no rare text becomes a token; in grouped tables, a piece must
            also occur in enough groups (see ``rowsmith.transforms.holders``).
        max_length: The most characters of a piece.

    Returns:
        The vocabulary.
    """
    texts = open_texts(columns, schema)
    if not texts:
        return Vocabulary(schema=schema)
    merges = _learn_merges(texts.values(), max_pieces, min_rows, max_length)
    merges = shared_merges(merges, texts.values(), min_rows)
    merges = merges_of_groups(merges, _group_texts(columns, schema))
    single = tuple(bytes([byte]) for byte in range(256))
    joined = tuple(dict.fromkeys(left + right for left, right in merges))
    return Vocabulary(schema=schema, pieces=single + joined, merges=tuple(merges))


def _group_texts(columns: pa.Table, schema: ModelSchema) -> list[str]:
    """The JSON texts of the open columns of each group; empty for independent rows."""
    if schema.step is None:
        return []
    first = distinct(columns, schema.step.name)[1] < 0
    first[:1] = True
    open_columns = (
        (distinct(columns, column.name), column.kind is JsonKind.STRING) for column in schema if not column.closed
    )
    json_texts = (
        ([json_string(value)[1:-1] for value in values] if text else values, codes)
        for (values, codes), text in open_columns
    )
    return texts_by_group(json_texts, np.cumsum(first) - 1)


_MAX_CHARACTERS = 10_000
"""Pieces are learned from at most this many characters of a text."""


def _learn_merges(
    columns: Iterable[Counter[str]], max_pieces: int, min_rows: int, max_length: int
) -> list[tuple[bytes, bytes]]:
    import json

    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    trainer = trainers.BpeTrainer(
        vocab_size=max_pieces,
        min_frequency=min_rows,
        max_token_length=max_length,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    # Time grows with the square of a text's length, and one very long text must not decide the pieces.
    texts = (
        text[:_MAX_CHARACTERS]
        for column in columns
        for text, rows in sorted(column.items())
        for _ in range(min(rows, 1_000))
    )
    tokenizer.train_from_iterator(texts, trainer)
    back = {character: byte for byte, character in _byte_characters().items()}
    pairs = json.loads(tokenizer.to_str())["model"]["merges"]
    return [(_to_bytes(left, back), _to_bytes(right, back)) for left, right in pairs]


def _to_bytes(text: str, back: dict[str, int]) -> bytes:
    return bytes(back[character] for character in text)


def _byte_characters() -> dict[int, str]:
    """The printable character that byte-level BPE writes for each byte (the GPT-2 convention)."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [byte for byte in range(256) if byte not in printable]
    return {byte: chr(byte) for byte in printable} | {byte: chr(256 + i) for i, byte in enumerate(hidden)}


def _splits(vocabulary: Vocabulary) -> list[str]:
    """Patterns of the three cuts: fragments, openings, contents."""
    keys = "|".join(re.escape(json_string(column.name)) for column in vocabulary.schema)
    fragment = rf"[{{,](?:{keys}):(?:{_STRING}|{_NUMBER}|true|false|null)(?:\}}\n)?"
    patterns = [fragment]
    openings = [item for item in vocabulary.fields if isinstance(item, OpenField)]
    if openings:
        texts = "|".join(re.escape(item.opening) for item in openings if item.opening.endswith('"'))
        numbers = "|".join(re.escape(item.opening) for item in openings if not item.opening.endswith('"'))
        either = [part for part in (texts and f"(?:{texts})", numbers and f"(?:{numbers})(?=[-0-9])") if part]
        patterns.append(rf"\A(?:{'|'.join(either)})")
        patterns.append(rf'\A(?:[^"\\]|\\.)+(?="(?:\}}\n)?\z)|\A{_NUMBER}(?=\}}\n\z)')
    return patterns


def build_tokenizer(vocabulary: Vocabulary) -> PreTrainedTokenizerFast:
    """An ordinary fast tokenizer whose ids are the vocabulary's.

    Args:
        vocabulary: The tokens.

    Returns:
        The tokenizer; text of records is encoded without losing a byte, as long as every closed value
        has a token.
    """
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    characters = _byte_characters()

    def spell(text: bytes) -> str:
        return "".join(characters[byte] for byte in text)

    specials = vocabulary.specials
    texts = [*specials, *(spell(text) for text in vocabulary.texts[len(specials) :])]
    tokenizer: Tokenizer = Tokenizer(
        models.BPE(
            vocab={text: i for i, text in enumerate(texts)},
            merges=[(spell(left), spell(right)) for left, right in vocabulary.merges],
            ignore_merges=True,
            unk_token=UNKNOWN,
        )
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            *(pre_tokenizers.Split(Regex(pattern), "isolated") for pattern in _splits(vocabulary)),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(text, special=True, normalized=False) for text in specials])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=BOS,
        eos_token=EOS,
        pad_token=PAD,
        unk_token=UNKNOWN,
        padding_side="right",
        clean_up_tokenization_spaces=False,
    )
