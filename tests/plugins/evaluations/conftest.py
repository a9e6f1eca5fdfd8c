from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import EntryPoint
from typing import Any

import pandas as pd
import pytest

from rowsmith.components import ComponentRef, Kind
from rowsmith.config import RunConfig
from rowsmith.context import BuildContext
from rowsmith.evaluation import Evaluated, TableEvaluation, evaluation_tables
from rowsmith.hookspecs import GROUP
from rowsmith.plugins import Registry
from rowsmith.randomness.seeds import Seeds
from rowsmith.table import from_frame

Evaluate = Callable[..., Evaluated]


@pytest.fixture(scope="session")
def registry() -> Registry:
    """The plugin of the checkout, whatever is installed."""
    return Registry(entry_points=[EntryPoint("fidelity", "rowsmith_plugins.fidelity", GROUP)], environ={})


@pytest.fixture(scope="session")
def evaluate(registry: Registry) -> Evaluate:
    """Compares data frames by the evaluation of a name; further arguments are those of ``evaluation_tables``."""

    def judged(
        name: str,
        real: pd.DataFrame,
        synthetic: pd.DataFrame,
        holdout: pd.DataFrame | None = None,
        *,
        options: dict[str, Any] | None = None,
        **settings: Any,
    ) -> Evaluated:
        context = BuildContext(config=RunConfig(), registry=registry, seeds=Seeds(0))
        evaluation = registry.build(Kind.EVALUATION, ComponentRef(name=name, options=options or {}), context)
        assert isinstance(evaluation, TableEvaluation)
        held = None if holdout is None else from_frame(holdout)
        tables = evaluation_tables(from_frame(real), from_frame(synthetic), held, **settings)
        return evaluation.evaluate(tables)

    return judged
