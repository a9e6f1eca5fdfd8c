"""The evaluation ``rules``: what holds in nearly all real rows, and how many synthetic rows break it."""

from __future__ import annotations

from collections.abc import Iterator

from rowsmith.context import BuildContext
from rowsmith.evaluation import Evaluated, EvaluationKind, EvaluationTables, Finding, Measure, Part, TableEvaluation
from rowsmith_plugins.evaluations.fidelity.chance import share_band, unseen_share, wilson
from rowsmith_plugins.evaluations.fidelity.clusters import Clusters, clusters_of
from rowsmith_plugins.evaluations.fidelity.judging import alone, compared_parts, judged, mean_of
from rowsmith_plugins.evaluations.fidelity.last_digits import last_digit_findings
from rowsmith_plugins.evaluations.fidelity.rule_kinds import Checked
from rowsmith_plugins.evaluations.fidelity.rule_search import Found, columns_of, find_rules
from rowsmith_plugins.evaluations.options import RulesOptions

__all__ = ["Rules", "build"]

TOLERANCE = 0.03
"""The share of synthetic rows that may break a rule beyond chance."""
MOST_FINDINGS = 20


class Rules(TableEvaluation):
    """The mean share of synthetic rows that follow the rules of the real ones.

    Attributes:
        options: Where it looks.
    """

    name = "rules"
    kind = EvaluationKind.FIDELITY

    def __init__(self, options: RulesOptions) -> None:
        self.options = options

    def evaluate(self, tables: EvaluationTables) -> Evaluated:
        """Find rules in the real rows and count the synthetic rows that follow each."""
        tables = alone(tables)
        whole, tables = tables, tables.sampled(self.options.max_rows, self.name)
        rules, sampled = find_rules(columns_of(tables), tables, self.options.max_pairs)
        sampled = sampled or tables is not whole
        checked = [
            (found, {part: found.rule.checked(values, part) for part in compared_parts(tables)})
            for found, values in rules
        ]
        parts = [_measure(found, parts) for found, parts in checked]
        clusters = clusters_of(tables)
        broken = [finding for found, parts in checked for finding in _findings(found, parts, tables, clusters)]
        findings = sorted([*broken, *last_digit_findings(tables, clusters)], key=lambda finding: -finding.excess)
        reason = "the real rows follow no equality, ordering, sum, product or dependency"
        return Evaluated(
            measures=(mean_of(self.name, parts, tables, sampled=sampled, reason=reason),),
            findings=tuple(findings[:MOST_FINDINGS]),
            details={
                "rules": [
                    {"kind": found.rule.kind, "columns": list(found.rule.columns), "rule": found.rule.words}
                    for found, _ in checked
                ]
            },
        )


def _measure(found: Found, parts: dict[Part, Checked]) -> Measure:
    synthetic = parts[Part.SYNTHETIC]
    return Measure(
        name=found.rule.kind,
        value=synthetic.share if synthetic.rows else None,
        interval=wilson(synthetic.share, synthetic.rows),
        ceiling=parts[Part.HOLDOUT].share if Part.HOLDOUT in parts else None,
        sizes={"real": found.real.rows, **{part.value: each.rows for part, each in parts.items()}},
        columns=found.rule.columns,
        reason="" if synthetic.rows else "no synthetic row has values to which the rule applies",
    )


def _findings(
    found: Found, parts: dict[Part, Checked], tables: EvaluationTables, clusters: Clusters
) -> Iterator[Finding]:
    real, synthetic = found.real, parts[Part.SYNTHETIC]
    usual = f", {1 - parts[Part.HOLDOUT].share:.2%} of real held-out ones" if Part.HOLDOUT in parts else ""
    lost = real.share - synthetic.share
    rows, others = (clusters.rows(each.rows, *found.rule.columns) for each in (real, synthetic))
    breaking = max(1 - real.share, 0.5 * unseen_share(rows))
    finding = judged(
        tables,
        f"{found.rule.kind}-broken",
        found.rule.columns,
        f"{found.rule.words} in {real.share:.2%} of the real rows; {1 - synthetic.share:.2%} of the synthetic rows "
        f"break it{usual}",
        found=lost,
        allowed=unseen_share(rows) + share_band(breaking, rows, others) + TOLERANCE,
        share=lost,
    )
    if finding is not None:
        yield finding


def build(context: BuildContext, options: RulesOptions) -> Rules:
    """Build the evaluation."""
    return Rules(options)
