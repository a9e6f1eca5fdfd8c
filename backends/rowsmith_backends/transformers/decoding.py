"""Sampling of completions from any causal language model of transformers.

1. Prefill: prompts are padded on the left and processed once each, however many completions they have.
2. The KV cache and the grammar states are replicated to the rows.
3. All rows advance by one token a step. Finished rows are returned, and dropped from the batch once there are enough
   of them to be worth copying the cache.

Tokens are drawn by inverse CDF from uniforms keyed by (seed, row, position): a completion does not depend on the rest
of its batch, apart from rounding of the matrix products.
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
from rowsmith_backends.sampling.token_sampling import sample_tokens
from rowsmith_backends.transformers.batches import CausalBatch
from rowsmith_backends.transformers.kv_cache import growing_cache
from rowsmith_backends.transformers.row_state import ActiveRows, CompletionBuffer

__all__ = ["CausalDecoder"]

# Cells of the cumulative probabilities sampled at once: 64 MiB in double precision.
_MAX_CELLS = 1 << 23
_COMPACT_SHARE = 0.25
# The probability that the grammar leaves is measured at every eighth step: it costs two passes over the logits.
_MEASURE_EVERY = 8


@define(kw_only=True, eq=False)
class CausalDecoder:
    """Completes batches with one model.

    Attributes:
        model: A causal language model of transformers, in evaluation mode.
        eos_id: The id that ends a completion, also used for padding.
        bos_id: The id after which the records of a prompt begin.
        decode: Turns token ids into text.
        grammar: Record grammar; None for unconstrained completions.
        allowed_shares: Shares of the model's probability that the grammar allowed, for some of the tokens.
    """

    model: Any
    eos_id: int
    bos_id: int
    decode: Any
    grammar: RecordGrammar | None = None
    allowed_shares: list[float] = field(factory=list)
    _forward_arguments: frozenset[str] = field(init=False)
    _mask_count: int = field(init=False, default=0)
    _line_ends: dict[int, int] = field(init=False, factory=dict)

    @_forward_arguments.default
    def _accepted_arguments(self) -> frozenset[str]:
        # An attached adapter passes all arguments on.
        inner = self.model.get_base_model() if hasattr(self.model, "get_base_model") else self.model
        return frozenset(inspect.signature(inner.forward).parameters)

    @torch.inference_mode()
    def run(self, batch: CausalBatch, params: SamplingParams) -> Iterator[Decoded]:
        """Complete a batch.

        Args:
            batch: The rows, their starts and limits.
            params: Parameters of sampling.

        Yields:
            Completions, forced ids included, as they finish; each row once.

        Raises:
            GenerationError: Forced ids break the grammar.
        """
        buffer, starts = self._new_buffer(batch), self._matchers(batch)
        draws = Draws(params.seed, batch.request_ids)
        rows = self._active_rows(batch, buffer, starts)
        if not rows.finished.all():
            logits = self._prefill(batch, rows)
            if params.repetition_penalty != 1:
                logits = self._penalized(logits, [start.ids for start in batch.starts], params)
            tokens = self._draw(logits, starts, batch.owners, rows.uniforms(batch.forced, draws), params)
            rows.replicate(batch.owners, starts)
            self._append(tokens, rows, batch, buffer)
        while True:
            if rows.finished.mean() >= _COMPACT_SHARE:
                yield buffer.completions(rows.rows[rows.finished])
                if rows.finished.all():
                    return
                rows.compact()
            logits = self._step(buffer.newest(rows.rows), rows)
            if params.repetition_penalty != 1:
                logits = self._penalized(logits, [self._history(row, batch, buffer) for row in rows.rows], params)
            uniforms = rows.uniforms(batch.forced, draws)
            tokens = self._draw(logits, rows.matchers, np.arange(len(uniforms)), uniforms, params)
            self._append(tokens, rows, batch, buffer)

    def _new_buffer(self, batch: CausalBatch) -> CompletionBuffer:
        ids = np.full((len(batch), int(batch.limits.max())), self.eos_id, dtype=np.int32)
        records = np.zeros(len(batch), dtype=np.int64)
        for row, count in enumerate(batch.forced):
            forced = batch.row_ids(row)
            ids[row, :count] = forced
            if self.grammar is None and batch.starts[batch.owners[row]].most_records is not None:
                records[row] = sum(map(self._num_line_ends, forced))
        finished = (batch.forced > 0) & (ids[np.arange(len(batch)), np.maximum(batch.forced, 1) - 1] == self.eos_id)
        return CompletionBuffer(ids=ids, lengths=batch.forced.astype(np.int32), finished=finished, records=records)

    def _matchers(self, batch: CausalBatch) -> list[Any]:
        """Grammar state of each start."""
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

    def _active_rows(self, batch: CausalBatch, buffer: CompletionBuffer, starts: Sequence[Any]) -> ActiveRows:
        is_finished = buffer.finished | (batch.forced >= batch.limits)
        if starts:
            is_complete = np.array([matcher.is_stopped() for matcher in starts])[batch.owners]
            is_complete &= batch.limits >= np.array([len(start.forced) for start in batch.starts])[batch.owners]
            buffer.finished[:] |= is_complete
            is_finished |= is_complete
        return ActiveRows(
            rows=np.arange(len(batch)),
            cache=growing_cache(self.model.config),
            attention_mask=None,
            position_ids=torch.tensor([[len(start.ids)] for start in batch.starts], device=self.model.device),
            num_processed=0,
            matchers=[],
            finished=is_finished,
        )

    def _prefill(self, batch: CausalBatch, rows: ActiveRows) -> torch.Tensor:
        """Prefill: process all starts.

        Returns:
            Logits of the next token of each start, ``[starts, ids]``.
        """
        sizes = [len(start.ids) for start in batch.starts]
        longest = max(sizes)
        inputs = torch.full((len(sizes), longest), self.eos_id)
        attention_mask = torch.ones(len(sizes), longest + int((batch.limits - batch.forced).max()), dtype=torch.int64)
        for index, (start, size) in enumerate(zip(batch.starts, sizes, strict=True)):
            inputs[index, longest - size :] = torch.tensor(start.ids)
            attention_mask[index, : longest - size] = 0
        device = self.model.device
        rows.attention_mask = None if min(sizes) == longest else attention_mask.to(device)
        position_ids = (attention_mask[:, :longest].cumsum(-1) - 1).clamp(min=0)
        return self._forward(inputs.to(device), position_ids.to(device), rows)

    def _forward(self, inputs: torch.Tensor, position_ids: torch.Tensor, rows: ActiveRows) -> torch.Tensor:
        rows.num_processed += inputs.shape[1]
        arguments = {
            "attention_mask": None if rows.attention_mask is None else rows.attention_mask[:, : rows.num_processed],
            "position_ids": position_ids,
            "logits_to_keep": 1,
        }
        accepted = {name: value for name, value in arguments.items() if name in self._forward_arguments}
        output = self.model(input_ids=inputs, past_key_values=rows.cache, use_cache=True, **accepted)
        logits: torch.Tensor = output.logits[:, -1].float()
        return logits

    def _step(self, tokens: npt.NDArray[np.int64], rows: ActiveRows) -> torch.Tensor:
        """Process one token a row.

        Returns:
            Logits of the next token of each row, ``[rows, ids]``.
        """
        logits = self._forward(torch.from_numpy(tokens[:, None]).to(self.model.device), rows.position_ids, rows)
        rows.position_ids = rows.position_ids + 1
        return logits

    def _history(self, row: int, batch: CausalBatch, buffer: CompletionBuffer) -> list[int]:
        """Prompt and completion so far of a row."""
        return [*batch.starts[batch.owners[row]].prompt, *buffer.ids[row, : buffer.lengths[row]].tolist()]

    def _penalized(
        self, logits: torch.Tensor, histories: Sequence[Sequence[int]], params: SamplingParams
    ) -> torch.Tensor:
        seen = tokens_seen(histories, logits.shape[-1], logits.device)
        return penalized(logits, seen, params.repetition_penalty)

    def _draw(
        self,
        logits: torch.Tensor,
        matchers: Sequence[Any],
        prefixes: npt.NDArray[np.int64],
        uniforms: npt.NDArray[np.float64],
        params: SamplingParams,
    ) -> npt.NDArray[np.int64]:
        """Sample the next token of each row.

        Args:
            logits: ``[prefixes, ids]``.
            matchers: Grammar state of each prefix; empty without a grammar.
            prefixes: ``[rows]`` the prefix of each row.
            uniforms: ``[rows]`` in [0, 1).
            params: Parameters of sampling.

        Returns:
            ``[rows]`` token ids.
        """
        if self.grammar is not None:
            logits = self._masked(logits, matchers)
        row_uniforms, row_prefixes = (torch.from_numpy(each).to(logits.device) for each in (uniforms, prefixes))
        at_once = max(1, _MAX_CELLS // logits.shape[-1])
        chosen = torch.empty(len(prefixes), dtype=torch.int64, device=logits.device)
        for low in range(0, len(logits), at_once):
            here = (row_prefixes >= low) & (row_prefixes < low + at_once)
            chosen[here] = sample_tokens(
                logits[low : low + at_once],
                row_prefixes[here] - low,
                row_uniforms[here],
                params.temperature,
                params.top_p,
            )
        tokens: npt.NDArray[np.int64] = chosen.cpu().numpy()
        return tokens

    def _masked(self, logits: torch.Tensor, matchers: Sequence[Any]) -> torch.Tensor:
        assert self.grammar is not None
        allowed = self.grammar.allowed(matchers, logits.device)
        masked = logits.masked_fill(~allowed, -torch.inf)
        self._mask_count += 1
        if self._mask_count % _MEASURE_EVERY == 1:
            active = torch.tensor([matcher is not None for matcher in matchers], device=logits.device)
            allowed_shares = (masked[active].logsumexp(-1) - logits[active].logsumexp(-1)).exp()
            self.allowed_shares.append(float(allowed_shares.mean()))
        return masked

    def _append(
        self, tokens: npt.NDArray[np.int64], rows: ActiveRows, batch: CausalBatch, buffer: CompletionBuffer
    ) -> None:
        """Append tokens to the rows and mark the rows that they finish."""
        rows.steps += 1
        active = np.flatnonzero(~rows.finished)
        row_numbers, taken = rows.rows[active], tokens[active]
        buffer.ids[row_numbers, buffer.lengths[row_numbers]] = taken
        buffer.lengths[row_numbers] += 1
        finished = taken == self.eos_id
        if self.grammar is not None:
            finished |= self._advance_grammar(taken, [rows.matchers[row] for row in active], finished)
        else:
            finished |= self._have_all_records(row_numbers, taken, batch, buffer)
        buffer.finished[row_numbers] = finished
        rows.finished[active] = finished | (buffer.lengths[row_numbers] >= batch.limits[row_numbers])
        if rows.matchers:
            for row in active[rows.finished[active]]:
                rows.matchers[row] = None

    def _advance_grammar(
        self, tokens: npt.NDArray[np.int64], matchers: Sequence[Any], is_finished: npt.NDArray[np.bool_]
    ) -> npt.NDArray[np.bool_]:
        """Advance grammar states; whether each row is complete."""
        assert self.grammar is not None
        on = np.flatnonzero(~is_finished).tolist()
        self.grammar.advance([matchers[row] for row in on], tokens[on].tolist())
        found = np.zeros(len(tokens), dtype=np.bool_)
        found[on] = [matchers[row].is_stopped() for row in on]
        return found

    def _have_all_records(
        self,
        row_numbers: npt.NDArray[np.int64],
        tokens: npt.NDArray[np.int64],
        batch: CausalBatch,
        buffer: CompletionBuffer,
    ) -> npt.NDArray[np.bool_]:
        """Whether rows have reached their most records."""
        limits = [batch.starts[batch.owners[number]].most_records for number in row_numbers]
        found = np.zeros(len(row_numbers), dtype=np.bool_)
        for index, (number, token, limit) in enumerate(zip(row_numbers, tokens.tolist(), limits, strict=True)):
            if limit is not None:
                buffer.records[number] += self._num_line_ends(token)
                found[index] = buffer.records[number] >= limit
        return found

    def _num_line_ends(self, token: int) -> int:
        """Number of records that end within a token: line feeds occur nowhere else."""
        if token not in self._line_ends:
            self._line_ends[token] = self.decode([token]).count("\n")
        return self._line_ends[token]
