"""What measures mean, in a sentence each, for readers of the page."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["EXPLANATIONS"]

EXPLANATIONS: Mapping[str, str] = {
    "column-shapes": "How alike each column is by itself. It says nothing of how columns go together.",
    "tails": "Whether the rare low and high values are there, and how many rows lie at either end.",
    "values": "Whether labels are missing or new, and whether values are of the column's kind and range.",
    "null-patterns": "Whether values are missing as often, and in the same rows together.",
    "pair-trends": "How alike the relations of two columns are. It says nothing of relations of three and more.",
    "rules": "Whether what always holds in the real table (sums, orders, dependencies) holds in the synthetic one.",
    "three-way": "How alike the relations of three columns are.",
    "classifier": "How well a classifier tells synthetic rows from real ones: 0.5 is a coin toss, 1 is always.",
    "relation-classifier": "The same, with differences, equalities and ratios of columns as features.",
    "downstream": "How well a model trained on synthetic rows predicts real ones, beside one trained on real rows.",
    "coverage": "Whether synthetic rows lie where real rows lie, and whether all real regions are reached.",
    "copies": "How many synthetic rows equal a training row, beside how many held-out rows do by chance.",
    "leaks": "Whether training and held-out rows share more rows than chance: then privacy cannot be measured.",
    "distance": "How many synthetic rows are nearer to a training row than to a held-out row; one half is best.",
    "singling-out": "Whether an attacker finds conditions that hold for exactly one person in the training rows.",
    "linkability": "Whether an attacker can link two parts of a person's record through the synthetic rows.",
    "attribute-inference": "Whether an attacker who knows the rest of a record guesses one value of it.",
    "sequence-lengths": "Whether groups have as many rows.",
    "sequence-order": "Whether rows follow each other in the order column as in the real groups.",
    "sequence-steps": "Whether the gaps between rows of a group, and their durations, are alike.",
    "sequence-repeats": "Whether values repeat from row to row as often.",
    "transitions": "Whether labels follow each other, and numbers change, from row to row as in the real groups.",
    "next-row": "Whether a row depends on the one before it as strongly.",
    "series-trend": "Whether the series rise and fall over the whole range as the real ones do.",
    "series-seasons": "Whether the seasons of the calendar are alike.",
    "series-autocorrelation": "Whether values go with the values before them as strongly.",
    "series-level": "Whether the series stay at the level of the real ones at every time.",
}
