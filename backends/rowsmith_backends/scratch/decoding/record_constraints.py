"""Which tokens may come next: those of the record grammar that follow from the group and end the record in time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from attrs import field, frozen

from rowsmith.vocabulary import Vocabulary
from rowsmith_backends.scratch.decoding.automaton import TokenAutomaton, build_automaton
from rowsmith_backends.scratch.decoding.group_positions import TIME, PositionDecoder

__all__ = ["RecordConstraints"]

Amounts = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Ids = npt.NDArray[np.int64]


@frozen(kw_only=True, eq=False)
class RecordConstraints:
    """The token automaton, and the group state beside it.

    Attributes:
        automaton: The record grammar.
        position_decoder: Position decoder of groups; None for independent records.
        moved_variable: The group state variable that the next token of a state changes, by state.
    """

    automaton: TokenAutomaton
    position_decoder: PositionDecoder | None
    moved_variable: Mapping[int, int] = field(init=False)

    @moved_variable.default
    def _moved_variables(self) -> dict[int, int]:
        movers = {} if self.position_decoder is None else self.position_decoder.movers
        return {
            self.automaton.entries[column] if column else self.automaton.end: variable
            for column, variable in movers.items()
        }

    @classmethod
    def of(cls, vocabulary: Vocabulary) -> RecordConstraints:
        """The constraints of a vocabulary."""
        return cls(automaton=build_automaton(vocabulary), position_decoder=PositionDecoder.of(vocabulary))

    def unset(self, count: int) -> Amounts:
        """``[count, variables]``: group states before a first record."""
        return np.empty((count, 0)) if self.position_decoder is None else self.position_decoder.unset(count)

    def next_group_state(self, group_state: Amounts, tokens: Ids) -> Amounts:
        """Group states after one token each.

        Args:
            group_state: ``[n, variables]``.
            tokens: ``[n]``.
        """
        return group_state if self.position_decoder is None else self.position_decoder.after(group_state, tokens)

    def start(self, ids: Sequence[int]) -> tuple[int, Amounts]:
        """Automaton state and group state ``[1, variables]`` after the ids of records, of which the last may be open.

        Raises:
            GenerationError: The ids break the grammar.
        """
        decoder, group_state = self.position_decoder, self.unset(1)
        continues_group = decoder is not None and bool(ids) and not np.isnan(decoder.moves[0, ids[0]])
        for token in ids:
            group_state = self.next_group_state(group_state, np.array([token]))
        return self.automaton.run(self.automaton.end if continues_group else self.automaton.start, ids), group_state

    def determined(self, states: npt.NDArray[np.int32], group_state: Amounts, last: Ids, others: Ids) -> Ids:
        """The next ids that follow from the group state.

        Args:
            states: ``[n]`` automaton states.
            group_state: ``[n, variables]``.
            last: ``[n]`` the tokens before.
            others: ``[n]`` what is returned for states in which the group state determines nothing.

        Returns:
            ``[n]`` ids; -1 where the group state is not known yet.
        """
        forced = others.copy()
        if self.position_decoder is not None:
            for column in self.position_decoder.columns:
                here = states == self.automaton.entries[column]
                if here.any():
                    forced[here] = self.position_decoder.ids(column, group_state[here], last[here])
        return forced

    def disallowed(
        self,
        states: npt.NDArray[np.int32],
        group_state: Amounts,
        ids: Ids,
        *,
        remaining: Ids,
        forced: Ids,
        time_is_bounded: Flags,
    ) -> Flags:
        """Mask of disallowed ids, which also ends records in time.

        Args:
            states: ``[n]`` automaton states.
            group_state: ``[n, variables]``.
            ids: ``[ids]`` the candidates.
            remaining: ``[n]`` tokens that are left.
            forced: ``[n]`` ids that must come; -1 where there is a choice.
            time_is_bounded: ``[n]`` whether time may not go past its last label.

        Returns:
            ``[n, ids]``.
        """
        following = self.automaton.next_state[states[:, None], ids]
        disallowed = following < 0
        late = disallowed | (self.automaton.to_done[following] >= remaining[:, None])
        for state, variable in self.moved_variable.items():
            here = states == state
            if variable == TIME:
                here &= time_is_bounded
            if here.any() and self.position_decoder is not None:
                late[here] |= self.position_decoder.out_of_range(variable, group_state[here], ids)
        # A limit below the shortest record cannot be met: such completions are truncated.
        disallowed = np.where(late.all(axis=1, keepdims=True), disallowed, late)
        is_forced = forced >= 0
        disallowed[is_forced] = ids[None, :] != forced[is_forced][:, None]
        return np.asarray(disallowed)
