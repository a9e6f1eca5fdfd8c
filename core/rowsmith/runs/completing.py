"""Rows of which some cells are known: completed, scored, and classified by the trained model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from attrs import frozen

from rowsmith.components import Kind
from rowsmith.config.defaults import backend_for
from rowsmith.dialect import RecordDialect
from rowsmith.dialect.validation import Record
from rowsmith.errors import DataError, ParameterError
from rowsmith.generation.backend import GeneratorBackend
from rowsmith.generation.engine_backend import EngineBackend
from rowsmith.plugins.blame import attribute_errors, describe_component
from rowsmith.randomness.draws import Draws
from rowsmith.randomness.global_state import preserve_random_state
from rowsmith.runs.stages.run import build_component
from rowsmith.table.columns import codes_of, compact, distinct, from_codes, single_array
from rowsmith.table.schema import ColumnType, ModelColumn
from rowsmith.transforms.changed_values import trace_columns

if TYPE_CHECKING:
    from rowsmith.model import Bundle
    from rowsmith.runs.stages import Run
    from rowsmith.transforms import FittedTransforms

__all__ = ["RowCompleter", "row_completer"]

Mask = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Given = tuple[tuple[str, str | None], ...]


@contextmanager
def row_completer(run: Run, bundle: Bundle) -> Iterator[RowCompleter]:
    """A completer of rows with a started engine.

    Args:
        run: The run; its configuration says how many candidates are drawn.
        bundle: The trained model.

    Raises:
        ParameterError: The table has groups, or the backend cannot complete rows with given values.
    """
    if run.config.grouped:
        raise ParameterError("rows of groups and series cannot be completed or scored one by one")
    context = run.context().evolve(
        table_schema=bundle.table_schema, model_schema=bundle.model_schema, metadata=bundle.metadata, bundle=bundle
    )
    backend = build_component(context, Kind.BACKEND, backend_for(run.config), GeneratorBackend)  # type: ignore[type-abstract]
    if not isinstance(backend, EngineBackend) or "conditions" not in backend.engine.capabilities:
        raise ParameterError(f"{describe_component(backend)} cannot complete rows with given values; use transformers")
    try:
        with preserve_random_state(), attribute_errors(backend):
            backend.initialize()
            backend.prepare_params()
        yield RowCompleter(bundle, backend, run.seeds.integer("inversion"), run.config.generation.candidates)
    finally:
        backend.teardown()


@frozen(eq=False)
class RowCompleter:
    """Completes rows and scores them.

    Attributes:
        bundle: The trained model.
        backend: Its backend, started.
        seed: Seed of the draws.
        candidates: Weighted candidates for each row, of which one is chosen.
    """

    bundle: Bundle
    backend: EngineBackend
    seed: int
    candidates: int

    def complete(self, columns: pa.Table, holes: Mapping[str, Mask]) -> pa.Table:
        """Fill the holes of rows; all other cells stay as they are.

        Args:
            columns: A spelled table of the user's columns.
            holes: ``[rows]`` bool by column: the cells to fill.
        """
        records, _ = self._written(self._given(columns, holes), self.candidates)
        spelled = RecordDialect(self.bundle.model_schema).spell(records)
        restored = self.bundle.transforms.invert(spelled, Draws(self.seed, np.arange(len(records))), {})
        arrays = [
            _filled(single_array(columns.column(name)), single_array(restored.column(name)), holes.get(name))
            for name in columns.column_names
        ]
        return pa.Table.from_arrays(arrays, names=columns.column_names)

    def log_probs(self, columns: pa.Table, holes: Mapping[str, Mask]) -> Floats:
        """Natural logarithm of the probability of the known cells of each row, ``[rows]``.

        It is exact for whole rows without open columns; otherwise it is estimated by the mean weight of candidates, and
        open columns (free text, numbers of very many values) are summed over. Of numbers it is the probability of
        the bin that the model writes.

        Args:
            columns: A spelled table of the user's columns.
            holes: ``[rows]`` bool by column: the cells that are not known.
        """
        return self._scores(self._given(columns, holes))

    def replaced(self, columns: pa.Table, holes: Mapping[str, Mask]) -> dict[str, int]:
        """Known labels that the model does not have, so that it is given others: their rows by column.

        Args:
            columns: A spelled table of the user's columns.
            holes: ``[rows]`` bool by column: the cells that are not known.
        """
        draws = Draws(self.seed, np.arange(columns.num_rows))
        back = self.bundle.transforms.invert(self.bundle.transforms.apply(columns), draws, {})
        found = dict[str, int]()
        for column in self.bundle.transforms.schema_before:
            name, labels = column.name, column.type in (ColumnType.CATEGORICAL, ColumnType.BOOLEAN)
            if labels and name not in self.bundle.transforms.regenerated_columns:
                before, after = (np.array(each.column(name).to_pylist(), dtype=object) for each in (columns, back))
                found[name] = int(((before != after) & ~holes.get(name, np.zeros(len(before), dtype=np.bool_))).sum())
        return {name: rows for name, rows in found.items() if rows}

    def class_log_probs(
        self, columns: pa.Table, name: str, holes: Mapping[str, Mask]
    ) -> tuple[tuple[str, ...], Floats]:
        """The values of a column, and the log-probability of each in each row given the other cells.

        Args:
            columns: A spelled table of the user's columns; the column itself is not read.
            name: The column.
            holes: ``[rows]`` bool by column: the cells that are not known, those of the column among them.

        Returns:
            The values, and ``[rows, values]`` normalised natural logarithms.

        Raises:
            ParameterError: The column is not one of labels.
        """
        values = self._labels(name)
        rest = self._given(columns, {**holes, name: np.ones(columns.num_rows, dtype=np.bool_)})
        scores = np.stack([self._scores([(*given, (name, value)) for given in rest]) for value in values], axis=1)
        normalised: Floats = scores - np.logaddexp.reduce(scores, axis=1, keepdims=True)
        return values, normalised

    def _labels(self, name: str) -> tuple[str, ...]:
        own = [column for column in self.bundle.model_schema if _origin(self.bundle.transforms, column) == name]
        if len(own) != 1 or own[0].values is None or own[0].ascending or own[0].name != name:
            raise ParameterError(
                f"column {name!r} is not a column of labels in the model's records, so its values have no "
                "probabilities of their own; name a column of categories"
            )
        return own[0].values

    def _given(self, columns: pa.Table, holes: Mapping[str, Mask]) -> list[Given]:
        """The values of the model's columns that follow from the known cells of each row."""
        applied, rows = self.bundle.transforms.apply(columns), columns.num_rows
        pairs: list[list[tuple[str, str | None]]] = [[] for _ in range(rows)]
        for name, sources in _sources(self.bundle.transforms).items():
            unknown = np.zeros(rows, dtype=np.bool_)
            for source in sources:
                unknown |= holes.get(source, False)
            values, codes = distinct(applied, name)
            labels = [*values, None]
            for row in np.flatnonzero(~unknown).tolist():
                pairs[row].append((name, labels[codes[row]]))
        return [tuple(each) for each in pairs]

    def _scores(self, given: Sequence[Given]) -> Floats:
        closed = {column.name for column in self.bundle.model_schema if column.values is not None}
        whole = all(closed <= {name for name, _ in each} for each in given) and len(closed) == len(
            self.bundle.model_schema
        )
        return self._written(given, 1 if whole else self.candidates)[1]

    def _written(self, given: Sequence[Given], candidates: int) -> tuple[list[Record], Floats]:
        """A record for each of the given values, and the log of its mean weight."""
        dialect = RecordDialect(self.bundle.model_schema)
        records: list[Record] = [{}] * len(given)
        scores = np.full(len(given), -np.inf)
        first: int | None = None
        for block in self.backend.complete_given(given, candidates):
            assert block.log_weights is not None
            first = int(block.request_ids.min()) if first is None else first
            for row, request_id in enumerate(block.request_ids.tolist()):
                text = block.text(row)
                scores[request_id - first] = block.log_weights[row]
                if text:
                    records[request_id - first] = dialect.decode(text.partition("\n")[0])
        lost = sum(not record for record in records)
        if lost:
            raise DataError(
                f"the model writes no row with the known cells of {lost} of {len(given)} rows: a combination of "
                "them has probability 0; leave some of them out"
            )
        return records, scores


def _filled(known: pa.DictionaryArray, drawn: pa.DictionaryArray, hole: Mask | None) -> pa.DictionaryArray:
    """A column with the drawn values in its holes."""
    if hole is None or not hole.any():
        return known
    first, second = compact(known), compact(drawn)
    values = pa.concat_arrays([first.dictionary, second.dictionary]).dictionary_encode()
    order = codes_of(values)
    mine = np.append(order[: len(first.dictionary)], -1)[codes_of(first)]
    theirs = np.append(order[len(first.dictionary) :], -1)[codes_of(second)]
    return from_codes(values.dictionary.to_pylist(), np.where(hole, theirs, mine))


def _origin(transforms: FittedTransforms, column: ModelColumn) -> str | None:
    origins = {name: name for name in transforms.schema_before.names}
    for _, step in transforms.steps:
        origins = trace_columns(origins, step.schema_after)
    return origins.get(column.name)


def _sources(transforms: FittedTransforms) -> dict[str, frozenset[str]]:
    """The user's columns that each column of the model is computed from."""
    sources = {name: frozenset({name}) for name in transforms.schema_before.names}
    for _, step in transforms.steps:
        origins = trace_columns({name: name for name in step.schema_before.names}, step.schema_after)
        sources = {
            after: frozenset[str]().union(
                *(sources[before] for before in (*step.dependencies.get(after, ()), origins.get(after)) if before)
            )
            for after in step.schema_after.names
        }
    return sources
