"""The byte automata of the dialect's open values: JSON string content and JSON numbers.

Both are deterministic and small; ``vocabulary`` runs every learned piece through them once, so that
generation only looks up states. String content is canonical: characters are written as ``json_string`` writes
them, in well-formed UTF-8. String content limited to the characters and shapes of one column has its own
automaton.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from attrs import frozen

from rowsmith.dialect.text import json_string
from rowsmith.table.types.text_shapes import characters_of

__all__ = ["INTEGER", "NUMBER", "STRING", "ByteAutomaton", "text_automaton"]


@frozen
class ByteAutomaton:
    """A deterministic automaton over bytes; state 0 is the start.

    Attributes:
        moves: For each state, the next state by byte; missing bytes are rejected.
        accepting: States in which the text may end.
    """

    moves: tuple[Mapping[int, int], ...]
    accepting: frozenset[int]

    def run(self, state: int, text: bytes) -> int | None:
        """The state after ``text``, or None if it is rejected."""
        for byte in text:
            following = self.moves[state].get(byte)
            if following is None:
                return None
            state = following
        return state


def _to(state: int, *ranges: tuple[int, int]) -> dict[int, int]:
    return {byte: state for low, high in ranges for byte in range(low, high + 1)}


def _string() -> ByteAutomaton:
    """String content of any characters: ASCII ones escaped as in JSON, others as well-formed UTF-8."""
    text, builder = 0, _Builder()
    builder.lead(text, text, "".join(map(chr, range(0x80))))
    last, last2, last3, e0, ed, f0, f4 = (builder.new_state() for _ in range(7))
    tail = (0x80, 0xBF)
    builder.moves[text] |= (
        _to(last, (0xC2, 0xDF))
        | _to(last2, (0xE1, 0xEC), (0xEE, 0xEF))
        | _to(last3, (0xF1, 0xF3))
        | {0xE0: e0, 0xED: ed, 0xF0: f0, 0xF4: f4}
    )
    builder.moves[last:] = [
        _to(text, tail),
        _to(last, tail),
        _to(last2, tail),
        _to(last, (0xA0, 0xBF)),
        _to(last, (0x80, 0x9F)),
        _to(last2, (0x90, 0xBF)),
        _to(last2, (0x80, 0x8F)),
    ]
    return ByteAutomaton(tuple(builder.moves), frozenset({text}))


def _number(fraction: bool) -> ByteAutomaton:
    _start, minus, zero, digits, point, decimals, exponent, sign, power = range(9)
    nine, positive = (ord("0"), ord("9")), (ord("1"), ord("9"))
    more = {ord("."): point, ord("e"): exponent, ord("E"): exponent} if fraction else {}
    power_mark = {ord("e"): exponent, ord("E"): exponent} if fraction else {}
    moves = (
        {ord("-"): minus, ord("0"): zero} | _to(digits, positive),
        {ord("0"): zero} | _to(digits, positive),
        dict(more),
        _to(digits, nine) | more,
        _to(decimals, nine),
        _to(decimals, nine) | power_mark,
        {ord("-"): sign, ord("+"): sign} | _to(power, nine),
        _to(power, nine),
        _to(power, nine),
    )
    return ByteAutomaton(moves, frozenset({zero, digits, decimals, power}))


def text_automaton(alphabet: str, shapes: Sequence[str] = (), shortest: int = 0) -> ByteAutomaton:
    """The automaton of string content limited to some characters, and to some shapes if given.

    Args:
        alphabet: The characters.
        shapes: The allowed shapes; empty allows all.
        shortest: The least number of characters if there are no shapes.
    """
    builder = _Builder()
    if not shapes:
        state = 0
        for _ in range(shortest):
            longer = builder.new_state()
            builder.lead(state, longer, alphabet)
            state = longer
        builder.lead(state, state, alphabet)
        return ByteAutomaton(tuple(builder.moves), frozenset({state}))
    ends, following = set(), dict[tuple[int, str], int]()
    for shape in shapes:
        state = 0
        for kind in shape:
            if (state, kind) not in following:
                following[state, kind] = builder.new_state()
                builder.lead(state, following[state, kind], characters_of(kind, alphabet))
            state = following[state, kind]
        ends.add(state)
    return ByteAutomaton(tuple(builder.moves), frozenset(ends))


class _Builder:
    """Builds the moves of an automaton, character by character."""

    def __init__(self) -> None:
        self.moves: list[dict[int, int]] = [{}]

    def new_state(self) -> int:
        self.moves.append({})
        return len(self.moves) - 1

    def lead(self, state: int, target: int, characters: str) -> None:
        """Add a path from one state to another for each character, escaped as in JSON."""
        for character in characters:
            *before, last = json_string(character)[1:-1].encode()
            here = state
            for byte in before:
                if byte not in self.moves[here]:
                    self.moves[here][byte] = self.new_state()
                here = self.moves[here][byte]
            self.moves[here][last] = target


STRING = _string()
NUMBER = _number(fraction=True)
INTEGER = _number(fraction=False)
