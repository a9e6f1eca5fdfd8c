"""The same as :mod:`rowsmith.model.contract`, under its first name."""

from rowsmith.model.contract import PreparedModel, TableModel, TrainingJob, TrainingProgress, TrainingReport

__all__ = ["PreparedModel", "TableModel", "TrainingJob", "TrainingProgress", "TrainingReport"]
