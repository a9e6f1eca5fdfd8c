"""What ``values`` says of free text: characters that were never seen, and one text in many rows."""

from __future__ import annotations

import numpy as np

from rowsmith.evaluation import EvaluatedColumn, EvaluationTables, Finding, Part
from rowsmith_plugins.evaluations.fidelity.chance import share_band, unseen_share
from rowsmith_plugins.evaluations.fidelity.clusters import Clusters
from rowsmith_plugins.evaluations.fidelity.judging import judged

__all__ = ["text_findings"]

CHARACTERS_TOLERANCE = 0.01
"""The share of rows whose text may have a character that no real text has, beyond chance."""
REPEATED_TOLERANCE = 0.03
"""What the share of the commonest text may be above that of the real ones, beyond chance."""


def text_findings(column: EvaluatedColumn, tables: EvaluationTables, clusters: Clusters) -> list[Finding]:
    """Findings of one column of free text; no text is in them.

    Args:
        column: The column.
        tables: Its tables.
        clusters: Design effects of their groups.
    """
    if not column.counts(Part.REAL).any() or not column.counts(Part.SYNTHETIC).any():
        return []
    found = [_characters(column, tables, clusters), _repeated(column, tables, clusters)]
    return [finding for finding in found if finding is not None]


def _characters(column: EvaluatedColumn, tables: EvaluationTables, clusters: Clusters) -> Finding | None:
    real, synthetic = column.counts(Part.REAL), column.counts(Part.SYNTHETIC)
    holders: dict[str, int] = {}
    for index in np.flatnonzero(real):
        for character in set(column.labels[index]):
            holders[character] = holders.get(character, 0) + int(real[index])
    strange = [index for index in np.flatnonzero(synthetic) if not holders.keys() >= set(column.labels[index])]
    share = float(synthetic[strange].sum() / synthetic.sum())
    # As many texts as have a character alone have one that was not seen yet.
    once = min(1.0, sum(rows == 1 for rows in holders.values()) / int(real.sum()))
    rows = [clusters.rows(int(counts.sum()), column.name) for counts in (real, synthetic)]
    return judged(
        tables,
        "characters-new",
        (column.name,),
        f"{share:.2%} of the synthetic texts in {column.name!r} have characters that no real one has",
        found=share,
        allowed=once + unseen_share(rows[0]) + share_band(once, *rows) + CHARACTERS_TOLERANCE,
        share=share,
    )


def _repeated(column: EvaluatedColumn, tables: EvaluationTables, clusters: Clusters) -> Finding | None:
    counts = (column.counts(Part.REAL), column.counts(Part.SYNTHETIC))
    most, found = (float(each.max() / each.sum()) for each in counts)
    rows = [clusters.rows(int(each.sum()), column.name) for each in counts]
    return judged(
        tables,
        "text-repeated",
        (column.name,),
        f"one text is in {found:.2%} of the synthetic rows of {column.name!r}, in the real ones none is in more than "
        f"{most:.2%}",
        found=found - most,
        allowed=share_band(most, *rows) + REPEATED_TOLERANCE,
        share=found - most,
    )
