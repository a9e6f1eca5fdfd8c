"""Grouped tables from end to end, with tiny models."""

from __future__ import annotations

import json
from itertools import groupby
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from click.testing import CliRunner, Result

from rowsmith import OverlongGroupError, Synthesizer
from rowsmith.context import BuildContext
from rowsmith.model import load_bundle
from rowsmith.plugins import Registry
from rowsmith.randomness.seeds import Seeds

pytest.importorskip("torch")


@pytest.fixture(scope="module")
def fitted(purchases: pd.DataFrame, tiny: dict[str, Any]) -> Synthesizer:
    return Synthesizer(group_by="customer", order_by="day", **tiny).fit(purchases)


def test_groups_are_made_whole_and_in_order_with_names_of_their_own(
    fitted: Synthesizer, purchases: pd.DataFrame
) -> None:
    rows = fitted.sample(groups=8)
    assert [*rows.columns] == [*purchases.columns]
    assert (rows.dtypes == purchases.dtypes).all()
    groups = [part for _, part in rows.groupby("customer", sort=False)]
    assert len(groups) == 8
    assert len([*groupby(rows["customer"])]) == 8  # rows of a group are neighbours
    assert all(part["day"].is_monotonic_increasing for part in groups)
    assert all(part["shop"].nunique() == 1 for part in groups)
    assert not {*rows["customer"]} & {*purchases["customer"]}


def test_a_number_of_rows_is_met_by_whole_groups(fitted: Synthesizer) -> None:
    rows = fitted.sample(40)
    last = rows["customer"] == rows["customer"].iloc[-1]
    assert len(rows) - last.sum() < 40 <= len(rows)


def test_a_saved_model_goes_on_making_groups(fitted: Synthesizer, tmp_path: Path) -> None:
    fitted.save(tmp_path / "model")
    again = Synthesizer.load(tmp_path / "model")
    pd.testing.assert_frame_equal(again.sample(groups=5, seed=1), fitted.sample(groups=5, seed=1))


@pytest.mark.parametrize(
    "settings",
    [
        {"group_by": "customer"},
        {"group_by": ["shop", "customer"], "order_by": "day"},
        {"group_by": "customer", "order_by": "amount"},
        {"group_by": "customer", "order_by": "day", "data": {"holdout": 30}},
    ],
)
def test_other_ways_to_group_and_order(purchases: pd.DataFrame, tiny: dict[str, Any], settings: dict[str, Any]) -> None:
    rows = Synthesizer(**tiny, **settings).fit(purchases).sample(groups=5)
    assert rows["customer"].nunique() == 5
    if "order_by" in settings:
        assert rows.groupby("customer")[settings["order_by"]].is_monotonic_increasing.all()


def test_a_table_of_one_group_is_learned(purchases: pd.DataFrame, tiny: dict[str, Any]) -> None:
    frame = purchases.assign(customer="C1").head(40)
    synthesizer = Synthesizer(group_by="customer", order_by="day", **tiny).fit(frame)
    assert synthesizer.report.steps == 5


def test_a_context_holds_whole_groups_whatever_the_transforms(purchases: pd.DataFrame, tiny: dict[str, Any]) -> None:
    frame = purchases[["customer", "shop", "items"]]
    synthesizer = Synthesizer(group_by="customer", transforms=[], **tiny).fit(frame)
    assert synthesizer.report.steps == 5


def _short(tiny: dict[str, Any]) -> dict[str, Any]:
    """The settings with a context that holds the ordinary groups alone."""
    return {**tiny, "model": {**tiny["model"], "options": {**tiny["model"]["options"], "context": 128}}}


@pytest.fixture(scope="module")
def one_long_group(purchases: pd.DataFrame) -> pd.DataFrame:
    long = pd.concat([purchases.assign(customer="C-long")] * 2).reset_index(drop=True)
    return pd.concat([purchases, long], ignore_index=True)


def test_a_group_beyond_the_context_is_named(one_long_group: pd.DataFrame, tiny: dict[str, Any]) -> None:
    with pytest.raises(
        OverlongGroupError, match=r"1 of \d+ groups.*'C-long' \(\d+ records.*options: {overlong: split}"
    ):
        Synthesizer(group_by="customer", order_by="day", **_short(tiny)).fit(one_long_group)


def test_a_group_beyond_the_context_can_be_skipped(one_long_group: pd.DataFrame, tiny: dict[str, Any]) -> None:
    assembler = {"name": "grouped", "options": {"overlong": "skip"}}
    settings = {**_short(tiny), "training": {"max_steps": 1}, "assembler": assembler}
    rows = Synthesizer(group_by="customer", order_by="day", **settings).fit(one_long_group).sample(groups=2)
    assert rows["customer"].nunique() == 2


@pytest.mark.parametrize("kept", [False, True])
def test_real_records_are_saved_only_where_that_is_asked_for(
    purchases: pd.DataFrame, tiny: dict[str, Any], tmp_path: Path, kept: bool
) -> None:
    assembler = {"name": "sequential", "options": {"keep_prefill": kept, "prefill_records": 1}}
    settings = {**tiny, "training": {"max_steps": 1}, "assembler": assembler, "data": {"holdout": 0}}
    frame = purchases.drop_duplicates(["customer", "day"])
    synthesizer = Synthesizer(group_by="customer", time_column="day", **settings).fit(frame)
    synthesizer.save(tmp_path / "model")
    context = BuildContext(config=synthesizer.config, registry=Registry(), seeds=Seeds(0))
    bundle = load_bundle(tmp_path / "model" / "bundle", context)
    assert any("first records of the training groups" in line for line in bundle.inventory()) == kept
    prefill = bundle.metadata.initial_prefill
    if kept:
        assert isinstance(prefill, dict) and {*prefill} == {*frame["customer"]}
        assert all(text.count("\n") == 1 for text in prefill.values())
    else:
        assert prefill is None


def call(*arguments: str | Path) -> Result:
    from rowsmith.cli.root import cli

    small = ("width=32", "layers=1", "dtype=float32")
    settings = ["training.max_steps=5", *(f"model.options.{option}" for option in small)]
    options = [part for setting in settings for part in ("--set", setting)] if arguments[0] != "generate" else []
    return CliRunner().invoke(cli, [str(argument) for argument in (*arguments, *options)])


def test_the_command_line_makes_groups(purchases: pd.DataFrame, tmp_path: Path) -> None:
    table, run = tmp_path / "purchases.csv", tmp_path / "run"
    purchases.to_csv(table, index=False, date_format="%d.%m.%Y")
    by = ("--group-by", "customer", "--order-by", "day", "--run-dir", run)
    result = call("run", table, *by, "-g", "6", "--holdout", "20")
    assert result.exit_code == 0, result.stderr
    assert "note: the table has 40 groups" in result.stderr
    assert "6 groups, " in result.stderr
    rows = pd.read_csv(run / "synthetic.csv")
    days = pd.to_datetime(rows["day"], format="%d.%m.%Y")
    assert rows["customer"].nunique() == 6
    assert days.groupby(rows["customer"]).is_monotonic_increasing.all()
    figures = json.loads((run / "metrics.json").read_text())
    assert figures["status"] == "complete"
    assert {column["name"]: column["measure"] for column in figures["columns"]}["customer"] == "not new"
    plan = json.loads((run / "plan.json").read_text())
    assert (plan["config"]["assembler"], plan["config"]["processor"]) == ("grouped", "grouped")
    assert plan["rows"]["train"] + plan["rows"]["holdout"] == len(purchases)

    more = call("generate", "--run-dir", run, "-n", "20", "-o", tmp_path / "more.csv")
    assert more.exit_code == 0, more.stderr
    assert len(pd.read_csv(tmp_path / "more.csv")) >= 20
    assert call("generate", "--run-dir", run, "-n", "20", "-g", "2").exit_code == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--group-by", "custmer"], "no column 'custmer', did you mean 'customer'? @ data.group_training_examples_by"),
        (["--group-by", "customer", "--order-by", "dya"], "no column 'dya', did you mean 'day'?"),
        (["--group-by", "customer", "--order-by", "shop"], "rows are ordered by numbers or date-times"),
        (["--group-by", "items"], "has no value in row"),
    ],
)
def test_columns_that_cannot_group_or_order_are_told_before_anything_runs(
    purchases: pd.DataFrame, tmp_path: Path, arguments: list[str], message: str
) -> None:
    table = tmp_path / "purchases.csv"
    purchases.to_csv(table, index=False)
    for command in (["run", table, "--dry-run"], ["train", table, "--run-dir", tmp_path / "run"]):
        result = call(*command, *arguments)
        assert result.exit_code == 2, result.stderr
        assert message in result.stderr
        assert "Traceback" not in result.stderr


def test_a_column_with_gaps_orders_the_rows_with_a_note_and_is_made_with_gaps(
    purchases: pd.DataFrame, tmp_path: Path
) -> None:
    table, out = tmp_path / "purchases.csv", tmp_path / "out.csv"
    purchases.to_csv(table, index=False)
    by = ("--group-by", "customer", "--order-by", "items", "--run-dir", tmp_path / "run")
    result = call("run", table, *by, "-n", "30", "-o", out)
    assert result.exit_code == 0, result.stderr
    missing = int(purchases["items"].isna().sum())
    assert f"column 'items' has no value in {missing} of {len(purchases)} rows" in result.stderr.replace("\n", " ")
    made = pd.read_csv(out)
    assert len(made) >= 30 and [*made.columns] == [*purchases.columns]
    assert made["items"].isna().any() and made["items"].notna().any()


def test_a_dry_run_reads_times_as_a_run_does(tmp_path: Path) -> None:
    table = tmp_path / "readings.csv"
    table.write_text("at,level\n" + "".join(f"{hour // 60}:{hour % 60:02d},{hour % 9}\n" for hour in range(200)))
    assert call("run", table, "--dry-run", "--time-column", "at").exit_code == 0
    told = call("run", table, "--dry-run", "--time-column", "tim", "--group-by", "levl").stderr
    assert "no column 'tim'; its columns are 'at', 'level' @ time_series.timestamp_column" in told
    assert "no column 'levl', did you mean 'level'? @ data.group_training_examples_by" in told
