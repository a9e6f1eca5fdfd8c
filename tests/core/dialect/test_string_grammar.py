"""The regular expression and the automaton of string content take the same strings: those that JSON writing gives."""

from __future__ import annotations

import json
import re

from hypothesis import example, given
from hypothesis import strategies as st

from rowsmith.dialect import json_string
from rowsmith.dialect.grammar import STRING as REGEX
from rowsmith.vocabulary.byte_automata import STRING as AUTOMATON

CONTENT = st.one_of(
    st.text(st.sampled_from('"\\/bfnrtu0179abefAF\x00\n\x1f\x7f\u2028\xe9\U0001f600'), max_size=12),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=6).map(lambda text: json_string(text)[1:-1]),
    st.integers(0, 0x40).map(lambda code: f"\\u{code:04x}"),
)


def canonical(content: str) -> bool:
    """Whether it is what JSON writing gives for some text."""
    try:
        return bool(json_string(json.loads(f'"{content}"')) == f'"{content}"')
    except ValueError:
        return False


@given(CONTENT)
@example("\\u001F")
@example("\\u000a")
@example("\\/")
def test_regex_and_automaton_take_the_same_strings(content: str) -> None:
    fits = canonical(content)
    assert (re.fullmatch(REGEX, f'"{content}"') is not None) is fits
    assert (AUTOMATON.run(0, content.encode()) in AUTOMATON.accepting) is fits


@given(st.binary(max_size=6))
def test_the_automaton_takes_well_formed_utf_8_alone(content: bytes) -> None:
    try:
        fits = canonical(content.decode())
    except UnicodeDecodeError:
        fits = False
    assert (AUTOMATON.run(0, content) in AUTOMATON.accepting) is fits
