"""Evaluation of synthetic tables and of the models that make them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rowsmith._lazy import lazy_names

if TYPE_CHECKING:
    from rowsmith.evaluation.measure import Direction, Evaluated, EvaluationKind, Finding, Measure, Severity
    from rowsmith.evaluation.runner import EvaluationReport, EvaluationResult, EvaluationStatus, run_evaluations
    from rowsmith.evaluation.table_evaluation import TableEvaluation
    from rowsmith.evaluation.tables import ColumnKind, EvaluatedColumn, EvaluationTables, Part, evaluation_tables

__all__ = [
    "ColumnKind",
    "Direction",
    "Evaluated",
    "EvaluatedColumn",
    "EvaluationKind",
    "EvaluationReport",
    "EvaluationResult",
    "EvaluationStatus",
    "EvaluationTables",
    "Finding",
    "Measure",
    "Part",
    "Severity",
    "TableEvaluation",
    "evaluation_tables",
    "run_evaluations",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "rowsmith.evaluation.measure": ["Direction", "Evaluated", "EvaluationKind", "Finding", "Measure", "Severity"],
        "rowsmith.evaluation.runner": ["EvaluationReport", "EvaluationResult", "EvaluationStatus", "run_evaluations"],
        "rowsmith.evaluation.table_evaluation": ["TableEvaluation"],
        "rowsmith.evaluation.tables": [
            "ColumnKind",
            "EvaluatedColumn",
            "EvaluationTables",
            "Part",
            "evaluation_tables",
        ],
    },
)
