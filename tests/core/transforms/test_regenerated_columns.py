"""A stranger's transform says which columns it makes anew; no name of a transform decides that."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from attrs import evolve, frozen

from rowsmith.components import ComponentRef
from rowsmith.config import load_config
from rowsmith.randomness.draws import Draws
from rowsmith.runs.jobs import run_job
from rowsmith.runs.stages import Run
from rowsmith.runs.validation import registry_for
from rowsmith.storage.run_directory import RunDirectory
from rowsmith.table.columns import from_codes
from rowsmith.table.schema import TableSchema
from rowsmith.transforms import (
    FittedTransform,
    FittedTransforms,
    Transform,
    fit_transforms,
    schema_from_state,
    schema_state,
)

TICKETS = [f"t{number:03d}" for number in range(200)]


@frozen
class FittedTickets(FittedTransform):
    """Leaves out the column of tickets, and hands out new ones."""

    schema_before: TableSchema
    says: bool = True

    @property
    def schema_after(self) -> TableSchema:
        return TableSchema(columns=tuple(column for column in self.schema_before if column.name != "ticket"))

    @property
    def regenerated_columns(self) -> frozenset[str]:
        return frozenset({"ticket"}) if self.says else super().regenerated_columns

    def apply(self, columns: pa.Table) -> pa.Table:
        return columns.drop_columns(["ticket"])

    def invert(self, columns: pa.Table, draws: Draws, carry: dict[str, Any]) -> pa.Table:
        begun = carry.get("begun", 0)
        carry["begun"] = begun + len(draws)
        tickets = from_codes(TICKETS, 100 + np.arange(begun, begun + len(draws)) % 100)
        arrays = {name: columns.column(name) for name in columns.column_names} | {"ticket": tickets}
        names = list(self.schema_before.names)
        return pa.Table.from_arrays([arrays[name] for name in names], names=names)

    def state(self) -> dict[str, Any]:
        return {"schema": schema_state(self.schema_before), "says": self.says}

    def inventory(self) -> list[str]:
        return []


@frozen
class Tickets(Transform):
    says: bool = True

    def fit(self, columns: pa.Table, schema: TableSchema) -> FittedTickets:
        return FittedTickets(schema, self.says)

    def restore(self, state: Mapping[str, Any]) -> FittedTickets:
        return FittedTickets(schema_from_state(state["schema"]), state["says"])


@pytest.fixture
def table(tmp_path: Path) -> Path:
    frame = pd.DataFrame({"ticket": TICKETS[:60], "size": [*"sml"] * 20})
    frame.to_csv(tmp_path / "table.csv", index=False)
    return tmp_path / "table.csv"


def test_columns_that_a_stranger_makes_anew_are_not_compared_by_what_they_hold(
    table: Path, tiny: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugin = ModuleType("rowsmith_tickets_of_a_test")
    plugin.build = lambda context, options: Tickets()  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, plugin.__name__, plugin)
    settings = {**tiny, "data": {"source": str(table)}, "generation": {"num_records": 20}}
    config = evolve(load_config(values=settings), transforms=(ComponentRef(factory=f"{plugin.__name__}:build"),))
    run = Run(config=config, registry=registry_for(config), directory=RunDirectory(tmp_path / "run"))
    measures = {column.name: (column.measure, column.distance) for column in run_job(run).summary}
    assert measures["ticket"] == ("not new", 0.0)
    assert measures["size"][0] == "TV"


def test_a_transform_that_does_not_say_so_makes_nothing_anew() -> None:
    from rowsmith.table import from_frame

    read = from_frame(pd.DataFrame({"ticket": TICKETS[:60], "size": [*"sml"] * 20}))
    for says, expected in ((True, {"ticket"}), (False, set())):
        fitted, _ = fit_transforms(read.columns, read.schema, [("tickets", Tickets(says))])
        assert fitted.regenerated_columns == expected
        again = FittedTransforms.restore(fitted.state(), lambda _, says=says: Tickets(says))
        assert again.regenerated_columns == expected


class Narrowing(Tickets):
    """Lets no category be known."""

    def narrowed(self, columns: pa.Table, schema: TableSchema) -> TableSchema:
        bare = [evolve(each, storage=evolve(each.storage, categories=None)) for each in schema]
        return evolve(schema, columns=tuple(bare))


def test_the_transform_that_leaves_categories_out_is_the_one_that_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rowsmith.runs.reporting import Reporter
    from rowsmith.runs.stages import train
    from rowsmith.table import from_frame

    class Told(Reporter):
        def __init__(self) -> None:
            self.notes: list[str] = []

        def note(self, text: str) -> None:
            self.notes.append(text)

        def stage_started(self, name: str) -> None:
            if name == "transforming":
                raise KeyboardInterrupt

    plugin, told = ModuleType("rowsmith_narrowing_of_a_test"), Told()
    plugin.build = lambda context, options: Narrowing()  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, plugin.__name__, plugin)
    config = evolve(load_config(), transforms=(ComponentRef(factory=f"{plugin.__name__}:build"),))
    frame = pd.DataFrame({"ticket": TICKETS[:60], "size": pd.Categorical([*"sml"] * 20)})
    run = Run(config=config, registry=registry_for(config), directory=RunDirectory(tmp_path), reporter=told)
    with pytest.raises(KeyboardInterrupt):
        train(run, from_frame(frame))
    factory = f"factory:{plugin.__name__}:build"
    assert f"column 'size': of its 3 categories, 0 are retained, as transform '{factory}' has it" in told.notes
