"""Contract of models, bundles and checkpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rowsmith._lazy import lazy_names

if TYPE_CHECKING:
    from rowsmith.model.bundle import Bundle, load_bundle, save_bundle
    from rowsmith.model.contract import PreparedModel, TableModel, TrainingJob, TrainingProgress, TrainingReport
    from rowsmith.model.early_stopping import EarlyStopping, StoppingDecision, TrainingMoment

__all__ = [
    "Bundle",
    "EarlyStopping",
    "PreparedModel",
    "StoppingDecision",
    "TableModel",
    "TrainingJob",
    "TrainingMoment",
    "TrainingProgress",
    "TrainingReport",
    "load_bundle",
    "save_bundle",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "rowsmith.model.bundle": ["Bundle", "load_bundle", "save_bundle"],
        "rowsmith.model.early_stopping": ["EarlyStopping", "StoppingDecision", "TrainingMoment"],
        "rowsmith.model.contract": ["PreparedModel", "TableModel", "TrainingJob", "TrainingProgress", "TrainingReport"],
    },
)
