"""Whatever a table holds, evaluations of privacy and sequences end with measures in their range."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import pandas as pd
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from rowsmith.components import Kind
from rowsmith.config import RunConfig
from rowsmith.context import BuildContext
from rowsmith.evaluation import TableEvaluation, evaluation_tables, run_evaluations
from rowsmith.hookspecs import GROUP
from rowsmith.plugins import Registry
from rowsmith.randomness.seeds import Seeds
from rowsmith.table import from_frame

PLUGINS = ("privacy", "sequence_evaluations")
REGISTRY = Registry(entry_points=[EntryPoint(name, f"rowsmith_plugins.{name}", GROUP) for name in PLUGINS], environ={})


def _evaluations() -> list[TableEvaluation]:
    context = BuildContext(config=RunConfig(), registry=REGISTRY, seeds=Seeds(0))
    built = [REGISTRY.build(Kind.EVALUATION, name, context) for name in REGISTRY.components(Kind.EVALUATION)]
    assert all(isinstance(each, TableEvaluation) for each in built)
    return [each for each in built if isinstance(each, TableEvaluation)]


COLUMNS = st.fixed_dictionaries(
    {
        "group": st.integers(0, 5),
        "time": st.integers(0, 30),
        "number": st.none() | st.floats(-1e6, 1e6, allow_nan=False),
        "marked": st.sampled_from(["1", "2", "3.5", "NA", "<5"]),
        "label": st.none() | st.sampled_from(["a", "b", "c"]),
        "text": st.text("abc äß\n,'\"", max_size=12),
        "constant": st.just("x"),
        "empty": st.none(),
    }
)
TABLES = st.lists(COLUMNS, min_size=1, max_size=40).map(pd.DataFrame)


# Shrinking would take minutes, and the tables are small.
@settings(max_examples=25, phases=[Phase.explicit, Phase.generate])
@given(real=TABLES, synthetic=TABLES, holdout=st.none() | TABLES, grouped=st.booleans(), timed=st.booleans())
def test_every_table_can_be_judged(
    real: pd.DataFrame, synthetic: pd.DataFrame, holdout: pd.DataFrame | None, grouped: bool, timed: bool
) -> None:
    held = None if holdout is None else from_frame(holdout)
    tables = evaluation_tables(
        from_frame(real),
        from_frame(synthetic),
        held,
        group_by=["group"] if grouped else [],
        order_by="time" if grouped else None,
        time_column="time" if timed else None,
    )
    report = run_evaluations(_evaluations(), tables)
    assert [(result.name, result.message) for result in report.failed] == []
    for measure in report.measures.values():
        for each in (measure, *measure.parts):
            if each.value is None:
                assert each.reason, each.name
                continue
            assert each.range[0] <= each.value <= each.range[1], each.name
            if each.interval is not None:
                assert each.interval[0] - 1e-9 <= each.value <= each.interval[1] + 1e-9, each.name
