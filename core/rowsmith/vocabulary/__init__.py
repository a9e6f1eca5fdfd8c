"""The token vocabulary of columnar models."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rowsmith._lazy import lazy_names

if TYPE_CHECKING:
    from rowsmith.vocabulary.byte_automata import INTEGER, NUMBER, STRING, ByteAutomaton, text_automaton
    from rowsmith.vocabulary.vocabulary import (
        BOS,
        EOS,
        PAD,
        UNKNOWN,
        ClosedField,
        OpenField,
        Vocabulary,
        model_schema_of,
    )

__all__ = [
    "BOS",
    "EOS",
    "INTEGER",
    "NUMBER",
    "PAD",
    "STRING",
    "UNKNOWN",
    "ByteAutomaton",
    "ClosedField",
    "OpenField",
    "Vocabulary",
    "model_schema_of",
    "text_automaton",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "rowsmith.vocabulary.byte_automata": ["ByteAutomaton", "INTEGER", "NUMBER", "STRING", "text_automaton"],
        "rowsmith.vocabulary.vocabulary": [
            "BOS",
            "ClosedField",
            "EOS",
            "OpenField",
            "PAD",
            "UNKNOWN",
            "Vocabulary",
            "model_schema_of",
        ],
    },
)
