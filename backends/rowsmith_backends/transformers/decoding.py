"""Sampling completions from any causal language model of transformers.

Prompts are padded on the left, and each is read once however many completions go on from it. Rows then move
together, one token a step; those that have ended are handed back, and leave the batch as soon as there are enough
of them to be worth the copying.

Draws come by inverse CDF from uniforms keyed by (seed, row, position): a completion does not depend on what
else is in its batch, rounding of the matrix products aside.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from attrs import define, field

from rowsmith.generation.requests import SamplingParams
from rowsmith.randomness.draws import Draws
from rowsmith_backends.grammar.record_grammar import RecordGrammar
from rowsmith_backends.sampling.decoded import Decoded
from rowsmith_backends.sampling.repetition_penalty import penalized, tokens_seen
from rowsmith_backends.sampling.token_sampling import choose
from rowsmith_backends.transformers.batches import CausalBatch
from rowsmith_backends.transformers.kv_cache import growing_cache
from rowsmith_backends.transformers.row_state import Page, Rows

__all__ = ["CausalDecoder"]

# Cells of a table of cumulative chances that are drawn from at once: 64 MiB in double precision.
_CELLS_AT_ONCE = 1 << 23
_WORTH_COPYING = 0.25
# How much probability the grammar takes away is looked at now and then: it costs two passes over the logits.
_LOOKED_AT = 8


@define(kw_only=True, eq=False)
class CausalDecoder:
    """Completes batches with one model.

    Attributes:
        model: A causal language model of transformers, in evaluation mode.
        eos_id: The id that ends a completion; what is shorter than others is filled up with it.
        bos_id: The id after which the records of a prompt begin.
        decode: Text of token ids.
        grammar: What may be written; None for anything.
        kept: Shares of the model's probability that the grammar allowed, of some of the tokens.
    """

    model: Any
    eos_id: int
    bos_id: int
    decode: Any
    grammar: RecordGrammar | None = None
    kept: list[float] = field(factory=list)
    _names: frozenset[str] = field(init=False)
    _drawn: int = field(init=False, default=0)
    _line_ends: dict[int, int] = field(init=False, factory=dict)

    @_names.default
    def _accepted(self) -> frozenset[str]:
        # An adapter that is attached hands everything on.
        inner = self.model.get_base_model() if hasattr(self.model, "get_base_model") else self.model
        return frozenset(inspect.signature(inner.forward).parameters)

    @torch.inference_mode()
    def run(self, batch: CausalBatch, params: SamplingParams) -> Iterator[Decoded]:
        """Complete a batch.

        Args:
            batch: What goes on from where, and how far.
            params: How to draw.

        Yields:
            Completions, forced ids included, as they end; each row once.

        Raises:
            GenerationError: Forced ids break the grammar.
        """
        page, starts = self._page(batch), self._matchers(batch)
        draws = Draws(params.seed, batch.request_ids)
        rows = self._rows(batch, page, starts)
        if not rows.ended.all():
            logits = self._read_prompts(batch, rows)
            if params.repetition_penalty != 1:
                logits = self._penalized(logits, [start.ids for start in batch.starts], params)
            tokens = self._draw(logits, starts, batch.owners, rows.uniforms(batch.forced, draws), params)
            rows.spread(batch.owners, starts)
            self._take(tokens, rows, batch, page)
        while True:
            if rows.ended.mean() >= _WORTH_COPYING:
                yield page.completions(rows.rows[rows.ended])
                if rows.ended.all():
                    return
                rows.compact()
            logits = self._read(page.newest(rows.rows), rows)
            if params.repetition_penalty != 1:
                logits = self._penalized(logits, [self._history(row, batch, page) for row in rows.rows], params)
            uniforms = rows.uniforms(batch.forced, draws)
            tokens = self._draw(logits, rows.matchers, np.arange(len(uniforms)), uniforms, params)
            self._take(tokens, rows, batch, page)

    def _page(self, batch: CausalBatch) -> Page:
        ids = np.full((len(batch), int(batch.limits.max())), self.eos_id, dtype=np.int32)
        records = np.zeros(len(batch), dtype=np.int64)
        for row, count in enumerate(batch.forced):
            forced = batch.row_ids(row)
            ids[row, :count] = forced
            if self.grammar is None and batch.starts[batch.owners[row]].most_records is not None:
                records[row] = sum(map(self._ends, forced))
        finished = (batch.forced > 0) & (ids[np.arange(len(batch)), np.maximum(batch.forced, 1) - 1] == self.eos_id)
        return Page(ids=ids, lengths=batch.forced.astype(np.int32), finished=finished, records=records)

    def _matchers(self, batch: CausalBatch) -> list[Any]:
        """The grammar's state at each start."""
        grammar = self.grammar
        if grammar is None:
            return []
        grouped = grammar.schema.step is not None
        return [
            grammar.matcher(
                start.forced, follows=grouped and self._has_records(start.prompt), most_records=start.most_records
            )
            for start in batch.starts
        ]

    def _has_records(self, prompt: tuple[int, ...]) -> bool:
        return self.bos_id in prompt and prompt[-1] != self.bos_id

    def _rows(self, batch: CausalBatch, page: Page, starts: Sequence[Any]) -> Rows:
        ended = page.finished | (batch.forced >= batch.limits)
        if starts:
            whole = np.array([matcher.is_stopped() for matcher in starts])[batch.owners]
            whole &= batch.limits >= np.array([len(start.forced) for start in batch.starts])[batch.owners]
            page.finished[:] |= whole
            ended |= whole
        return Rows(
            rows=np.arange(len(batch)),
            cache=growing_cache(self.model.config),
            seen=None,
            places=torch.tensor([[len(start.ids)] for start in batch.starts], device=self.model.device),
            read=0,
            matchers=[],
            ended=ended,
        )

    def _read_prompts(self, batch: CausalBatch, rows: Rows) -> torch.Tensor:
        """Read all starts; the logits of what follows each."""
        sizes = [len(start.ids) for start in batch.starts]
        longest = max(sizes)
        inputs = torch.full((len(sizes), longest), self.eos_id)
        seen = torch.ones(len(sizes), longest + int((batch.limits - batch.forced).max()), dtype=torch.int64)
        for place, (start, size) in enumerate(zip(batch.starts, sizes, strict=True)):
            inputs[place, longest - size :] = torch.tensor(start.ids)
            seen[place, : longest - size] = 0
        device = self.model.device
        rows.seen = None if min(sizes) == longest else seen.to(device)
        places = (seen[:, :longest].cumsum(-1) - 1).clamp(min=0)
        return self._forward(inputs.to(device), places.to(device), rows)

    def _forward(self, inputs: torch.Tensor, places: torch.Tensor, rows: Rows) -> torch.Tensor:
        rows.read += inputs.shape[1]
        given = {
            "attention_mask": None if rows.seen is None else rows.seen[:, : rows.read],
            "position_ids": places,
            "logits_to_keep": 1,
        }
        accepted = {name: value for name, value in given.items() if name in self._names}
        output = self.model(input_ids=inputs, past_key_values=rows.cache, use_cache=True, **accepted)
        logits: torch.Tensor = output.logits[:, -1].float()
        return logits

    def _read(self, tokens: npt.NDArray[np.int64], rows: Rows) -> torch.Tensor:
        """Read one token a row; the logits of what follows each."""
        logits = self._forward(torch.from_numpy(tokens[:, None]).to(self.model.device), rows.places, rows)
        rows.places = rows.places + 1
        return logits

    def _history(self, row: int, batch: CausalBatch, page: Page) -> list[int]:
        """What a row has read and written."""
        return [*batch.starts[batch.owners[row]].prompt, *page.ids[row, : page.lengths[row]].tolist()]

    def _penalized(
        self, logits: torch.Tensor, histories: Sequence[Sequence[int]], params: SamplingParams
    ) -> torch.Tensor:
        seen = tokens_seen(histories, logits.shape[-1], logits.device)
        return penalized(logits, seen, params.repetition_penalty)

    def _draw(
        self,
        logits: torch.Tensor,
        matchers: Sequence[Any],
        nodes: npt.NDArray[np.int64],
        uniforms: npt.NDArray[np.float64],
        params: SamplingParams,
    ) -> npt.NDArray[np.int64]:
        """The next token of each row.

        Args:
            logits: ``[nodes, vocabulary]``.
            matchers: The grammar's state of each node; empty without a grammar.
            nodes: ``[rows]`` the node of each row.
            uniforms: ``[rows]`` in [0, 1).
            params: How to draw.
        """
        if self.grammar is not None:
            logits = self._masked(logits, matchers)
        numbers, places = (torch.from_numpy(each).to(logits.device) for each in (uniforms, nodes))
        at_once = max(1, _CELLS_AT_ONCE // logits.shape[-1])
        chosen = torch.empty(len(nodes), dtype=torch.int64, device=logits.device)
        for low in range(0, len(logits), at_once):
            here = (places >= low) & (places < low + at_once)
            chosen[here] = choose(
                logits[low : low + at_once], places[here] - low, numbers[here], params.temperature, params.top_p
            )
        tokens: npt.NDArray[np.int64] = chosen.cpu().numpy()
        return tokens

    def _masked(self, logits: torch.Tensor, matchers: Sequence[Any]) -> torch.Tensor:
        assert self.grammar is not None
        allowed = self.grammar.allowed(matchers, logits.device)
        masked = logits.masked_fill(~allowed, -torch.inf)
        self._drawn += 1
        if self._drawn % _LOOKED_AT == 1:
            going = torch.tensor([matcher is not None for matcher in matchers], device=logits.device)
            kept = (masked[going].logsumexp(-1) - logits[going].logsumexp(-1)).exp()
            self.kept.append(float(kept.mean()))
        return masked

    def _take(self, tokens: npt.NDArray[np.int64], rows: Rows, batch: CausalBatch, page: Page) -> None:
        """Write tokens down, and see which rows end with them."""
        rows.steps += 1
        going = np.flatnonzero(~rows.ended)
        numbers, taken = rows.rows[going], tokens[going]
        page.ids[numbers, page.lengths[numbers]] = taken
        page.lengths[numbers] += 1
        finished = taken == self.eos_id
        if self.grammar is not None:
            finished |= self._advanced(taken, [rows.matchers[row] for row in going], finished)
        else:
            finished |= self._enough(numbers, taken, batch, page)
        page.finished[numbers] = finished
        rows.ended[going] = finished | (page.lengths[numbers] >= batch.limits[numbers])
        if rows.matchers:
            for row in going[rows.ended[going]]:
                rows.matchers[row] = None

    def _advanced(
        self, tokens: npt.NDArray[np.int64], matchers: Sequence[Any], over: npt.NDArray[np.bool_]
    ) -> npt.NDArray[np.bool_]:
        """Which of some rows have nothing left to write."""
        assert self.grammar is not None
        on = np.flatnonzero(~over).tolist()
        self.grammar.advance([matchers[row] for row in on], tokens[on].tolist())
        found = np.zeros(len(tokens), dtype=np.bool_)
        found[on] = [matchers[row].is_stopped() for row in on]
        return found

    def _enough(
        self, numbers: npt.NDArray[np.int64], tokens: npt.NDArray[np.int64], batch: CausalBatch, page: Page
    ) -> npt.NDArray[np.bool_]:
        """Which rows have their most records."""
        most = [batch.starts[batch.owners[number]].most_records for number in numbers]
        found = np.zeros(len(numbers), dtype=np.bool_)
        for place, (number, token, limit) in enumerate(zip(numbers, tokens.tolist(), most, strict=True)):
            if limit is not None:
                page.records[number] += self._ends(token)
                found[place] = page.records[number] >= limit
        return found

    def _ends(self, token: int) -> int:
        """How many records end within a token: line feeds stand nowhere else."""
        if token not in self._line_ends:
            self._line_ends[token] = self.decode([token]).count("\n")
        return self._line_ends[token]
