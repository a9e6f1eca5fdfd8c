"""Values of one training row alone that come back in the synthetic table (measure ``replayed-values``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from rowsmith.evaluation import (
    ColumnKind,
    Direction,
    Evaluated,
    EvaluatedColumn,
    EvaluationKind,
    EvaluationTables,
    Finding,
    Measure,
    Part,
    TableEvaluation,
)
from rowsmith_plugins.evaluations.privacy.leaks import why_no_holdout
from rowsmith_plugins.evaluations.privacy.row_hashes import units_of
from rowsmith_plugins.evaluations.rates import Rate, fisher_greater

if TYPE_CHECKING:
    from rowsmith.context import BuildContext

__all__ = ["ReplayedValues", "build"]

_BITS_BEYOND_PAIRS = 10.0
_LEAST_UNIQUE = 0.5
_MOST_CHARACTERS = 64
_SAMPLE = 5_000
_MOST_CHANCE = 1e-3

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class ReplayedValues(TableEvaluation):
    """The share of synthetic rows with an identifier, address or text that one training row (or group) alone has.

    Looked at are columns whose values mostly occur once, and of these the values with enough information that no
    two rows have one by chance: log2 of the pairs of rows and 10 bits, by how often each character comes at its
    position. Numbers are left out: they meet by chance.
    """

    name = "replayed-values"
    kind = EvaluationKind.PRIVACY
    explanation = "Whether values that only one training row has come back: identifiers, addresses, texts."

    def evaluate(self, tables: EvaluationTables) -> Evaluated:
        """Look for such values among the synthetic ones."""
        parts, findings = list[Measure](), list[Finding]()
        control = tables.has_holdout and not why_no_holdout(tables)
        replayed = np.zeros(tables.sizes[Part.SYNTHETIC], dtype=np.bool_)
        for column in tables.of_kind(ColumnKind.KEY, ColumnKind.TEXT, ColumnKind.LABEL):
            rows = _holders(tables, column)
            known = int((rows > 0).sum())
            if not known or (rows == 1).sum() < _LEAST_UNIQUE * known:
                continue
            flags, expected = _replayed(tables, column, rows, control)
            seen = Rate(int(flags.sum()), len(flags))
            replayed |= flags
            parts.append(_measure(f"replayed-values-{len(parts) + 1}", seen, tables, columns=(column.name,)))
            if seen.hits and (not expected.hits or fisher_greater(seen, expected) < _MOST_CHANCE):
                who = "group" if tables.groups else "row"
                findings.append(
                    Finding(
                        defect="values-replayed",
                        message=f"Column {column.name!r}: {seen.hits:,} synthetic rows ({seen.share:.1%}) have a value "
                        f"that one training {who} alone has; {expected.share:.2%} would by chance",
                        columns=(column.name,),
                        share=seen.share,
                        excess=max(10.0, 1000 * seen.share),
                    )
                )
        if not parts:
            reason = "no column holds values that identify one row"
            return Evaluated(measures=(Measure(name=self.name, value=None, direction=Direction.LOWER, reason=reason),))
        whole = _measure(self.name, Rate(int(replayed.sum()), len(replayed)), tables, parts=tuple(parts))
        return Evaluated(measures=(whole,), findings=tuple(findings))


def build(context: BuildContext, options: None) -> ReplayedValues:
    """Build the evaluation."""
    return ReplayedValues()


def _holders(tables: EvaluationTables, column: EvaluatedColumn) -> Ints:
    """Training rows, or groups, that have each label."""
    codes = column.codes[Part.REAL].astype(np.int64)
    if not tables.groups:
        return column.counts(Part.REAL)
    units = units_of(tables, Part.REAL)
    pairs = np.unique(codes * (int(units.max()) + 1) + units) // (int(units.max()) + 1)
    return np.bincount(pairs[pairs >= 0], minlength=len(column.labels)).astype(np.int64)


def _replayed(
    tables: EvaluationTables, column: EvaluatedColumn, holders: Ints, control: bool
) -> tuple[npt.NDArray[np.bool_], Rate]:
    """Which synthetic rows replay a value, and how often real rows would."""
    single = _flagged(column, Part.SYNTHETIC, holders == 1)
    # Without one of two rows that have a value, the other alone has it.
    double = np.flatnonzero(holders == 2)
    needed = float(np.log2(tables.sizes[Part.REAL] * tables.sizes[Part.SYNTHETIC])) + _BITS_BEYOND_PAIRS
    tested = [double, column.codes[Part.SYNTHETIC][single].astype(np.int64)]
    if control:
        held = _flagged(column, Part.HOLDOUT, holders == 1)
        tested.append(column.codes[Part.HOLDOUT][held].astype(np.int64))
    labels = np.unique(np.concatenate(tested))
    enough = np.zeros(len(column.labels), dtype=np.bool_)
    if len(labels):
        real = np.flatnonzero(holders > 0)
        enough[labels] = _information(column, real[:: max(1, len(real) // _SAMPLE)], labels) >= needed
    hits, trials = 2 * int(enough[double].sum()), int(holders.sum())
    if control:
        hits += int(_flagged(column, Part.HOLDOUT, (holders == 1) & enough).sum())
        trials += tables.sizes[Part.HOLDOUT]
    return _flagged(column, Part.SYNTHETIC, (holders == 1) & enough), Rate(hits, trials)


def _flagged(column: EvaluatedColumn, part: Part, labels: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Whether each row has one of some labels."""
    return np.append(labels, False)[column.codes[part]]


def _information(column: EvaluatedColumn, known: Ints, labels: Ints) -> Floats:
    """Bits of labels: -log2 of the share of known labels with each character at its position, summed."""
    texts = [column.labels[index][:_MOST_CHARACTERS] for index in (*known.tolist(), *labels.tolist())]
    width = max(max(map(len, texts)), 1)
    characters = np.array(texts, dtype=f"U{width}").view(np.uint32).reshape(len(texts), width)
    bits = np.zeros(len(labels))
    for position in range(width):
        _, codes = np.unique(characters[:, position], return_inverse=True)
        counts = np.bincount(codes[: len(known)], minlength=int(codes.max()) + 1)
        bits += -np.log2((counts + 0.5) / (len(known) + 0.5))[codes[len(known) :]]
    return bits


def _measure(
    name: str, rate: Rate, tables: EvaluationTables, columns: tuple[str, ...] = (), parts: tuple[Measure, ...] = ()
) -> Measure:
    return Measure(
        name=name,
        value=rate.share,
        direction=Direction.LOWER,
        interval=rate.interval,
        sizes={part.value: size for part, size in tables.sizes.items()},
        columns=columns,
        parts=parts,
    )
