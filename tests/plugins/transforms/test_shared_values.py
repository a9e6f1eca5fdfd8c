"""What only one group has, what a dtype lists, and what rare parts of dates tell stays out, too."""

from __future__ import annotations

import json

import numpy as np
import pytest

from rowsmith.config.sections import DataConfig
from rowsmith.table.schema import Marked, Source, Storage, TableSchema
from rowsmith.transforms import FittedTransforms, fit_transforms
from rowsmith.transforms.holders import groups_needed
from rowsmith.vocabulary import model_schema_of
from rowsmith_backends.scratch.tokenizer import learn_vocabulary
from rowsmith_plugins.transforms.datetime.transform import DatetimeTransform
from rowsmith_plugins.transforms.groups.transform import GroupsTransform
from rowsmith_plugins.transforms.options import ProtectRareOptions
from rowsmith_plugins.transforms.quantize.transform import FittedQuantize, QuantizeTransform
from rowsmith_plugins.transforms.rare import transform as protect_rare
from rowsmith_plugins.transforms.rare.transform import ProtectRareTransform
from rowsmith_plugins.transforms.texts import codes, marks
from rowsmith_plugins.transforms.texts import texts as free_text

from .tables import T, check_round_trip, column, context, draws, schema, table, texts


def visits(groups: int) -> tuple[dict[str, list[str | None]], TableSchema]:
    """Ten records a group; the first group has a ward, a score and an amount of its own in all of them."""
    chance, rows = np.random.default_rng(0), np.repeat(np.arange(groups), 10)
    own = rows == 0
    columns: dict[str, list[str | None]] = {
        "who": [f"p{row:03d}" for row in rows],
        "ward": [*np.where(own, "canary", chance.choice(["north", "south"], len(rows)))],
        "score": [*np.where(own, "77123", chance.integers(1, 5, len(rows)).astype(str))],
        "amount": [*np.where(own, "98765", chance.integers(1, 900, len(rows)).astype(str))],
    }
    return columns, schema(
        column("who", T.TEXT), column("ward"), column("score", T.INTEGER), column("amount", T.INTEGER)
    )


def fitted(groups: int) -> tuple[FittedTransforms, str]:
    columns, found = visits(groups)
    run = context(data=DataConfig(group_training_examples_by="who"))
    steps = [
        ("groups", GroupsTransform(("who",))),
        ("protect-rare", protect_rare.build(run, None)),
        ("quantize", QuantizeTransform()),
    ]
    known, applied = fit_transforms(table(columns), found, steps)
    told = json.dumps(known.state()) + str(texts(applied)) + str(texts(known.invert(applied, draws(10 * groups), {})))
    return known, told


def test_values_of_a_single_group_are_rare() -> None:
    _, told = fitted(60)
    assert not any(canary in told for canary in ("canary", "77123", "98765"))


def test_of_few_groups_each_may_have_values_of_its_own() -> None:
    known, told = fitted(8)
    assert all(canary in told for canary in ("canary", "77123"))
    assert any("fewer than 20 groups, which are treated as things" in note for note in known.notes())


@pytest.mark.parametrize(("groups", "needed"), [(0, 1), (8, 1), (19, 1), (20, 2), (34, 3), (50, 5), (10_000, 5)])
def test_a_tenth_of_the_groups_is_enough(groups: int, needed: int) -> None:
    assert groups_needed(groups, 5) == needed


def test_what_one_group_has_in_the_middle_of_a_range_may_be_learned_but_gets_no_label() -> None:
    """A bin needs rows, not groups, as the privacy page says."""
    chance, rows = np.random.default_rng(0), np.repeat(np.arange(60), 10)
    others = chance.choice([*range(300), *range(700, 1_000)], len(rows))
    amounts = np.where(rows == 0, 500, others).astype(str)
    columns = table({"who": [f"p{row:03d}" for row in rows], "amount": [*amounts]})
    found = schema(column("who", T.TEXT), column("amount", T.INTEGER))
    run = context(data=DataConfig(group_training_examples_by="who"))
    steps = [
        ("groups", GroupsTransform(("who",))),
        ("protect-rare", protect_rare.build(run, None)),
        ("quantize", QuantizeTransform()),
    ]
    known, applied = fit_transforms(columns, found, steps)
    assert "=500" not in str(texts(applied))
    made = texts(known.invert(applied, draws(len(rows)), {}))["amount"]
    assert any(300 <= int(value or 0) < 700 for value in made)


def test_what_one_group_has_in_the_middle_of_the_order_may_be_learned() -> None:
    """A block of places needs records, not groups, as the privacy page says."""
    groups = np.repeat(np.arange(40), 20)
    years = np.where(groups == 20, 2000, np.where(groups < 20, 1980, 2020))
    days = [f"{year}-{1 + place % 12:02d}-{1 + place % 28:02d}" for place, year in zip(range(800), years, strict=True)]
    ordered = [day for group in range(40) for day in sorted(days[20 * group : 20 * group + 20])]
    columns = table({"who": [f"p{group:02d}" for group in groups], "day": ordered})
    found = schema(column("who", T.TEXT), column("day", T.DATETIME, datetime_format="%Y-%m-%d"))
    known = GroupsTransform(("who",), "day").fit(columns, found)
    made = texts(known.invert(known.apply(columns), draws(800), {}))["day"]
    assert any((value or "").startswith("2000") for value in made)


def test_no_range_ends_at_what_a_single_group_has() -> None:
    """Of steps, of codes, and of the numbers of a label, as of all numbers: two groups are at or beyond either end."""
    chance, groups = np.random.default_rng(0), np.repeat(np.arange(60), 10)
    own = groups == 0
    labels = np.where(own, 1, chance.integers(0, 4, len(groups)))
    numbers = np.where(own, 270, 100 * labels + chance.integers(0, 60, len(groups)))
    days = np.cumsum(np.where(own, 31, chance.integers(1, 9, len(groups))).reshape(60, 10), axis=1).ravel()
    columns = table(
        {
            "who": [f"p{group:03d}" for group in groups],
            "day": [*days.astype(str)],
            "code": [f"A-{number:03d}" for number in np.where(own, 777, chance.integers(100, 300, len(groups)))],
            "test": [f"test {label}" for label in labels],
            "result": [*numbers.astype(str)],
        }
    )
    found = schema(
        column("who", T.TEXT),
        column("day", T.INTEGER),
        column("code", T.TEXT),
        column("test"),
        column("result", T.INTEGER),
    )
    run = context(data=DataConfig(group_training_examples_by="who", order_training_examples_by="day"))
    steps = [
        ("groups", GroupsTransform(("who",), "day")),
        ("codes", codes.build(run, None)),
        ("protect-rare", protect_rare.build(run, None)),
        ("quantize", QuantizeTransform()),
    ]
    known, applied = fit_transforms(columns, found, steps)
    made = texts(known.invert(applied, draws(len(groups)), {}))
    assert "777" not in json.dumps(known.state())
    assert max(int((code or "")[2:]) for code in made["code"]) < 300
    quantized = known.steps[-1][1]
    assert isinstance(quantized, FittedQuantize)
    ranges = quantized.quantized[-1].ranges
    assert ranges is not None
    assert ranges.column == "test"
    of_first = [int(value or 0) for value, label in zip(made["result"], made["test"], strict=True) if label == "test 1"]
    assert max(of_first) < 160
    ordered = np.array(made["day"], dtype=np.int64).reshape(60, 10)
    assert np.diff(ordered, axis=1).max() <= 8


def fixed(*categories: str, dtype: str = "str[python, NaN]") -> Storage:
    return Storage(source=Source.PANDAS, dtype="category", categories=categories, categories_dtype=dtype)


def test_categories_of_few_rows_are_in_no_dtype() -> None:
    values = ["a"] * 9 + ["b"] * 5 + ["canary"] * 4
    columns, found = table({"c": values}), schema(column("c", storage=fixed("canary", "b", "unused", "a")))
    assert ProtectRareTransform().narrowed(columns, found)["c"].storage.categories == ("b", "a")
    labelled = ProtectRareTransform(ProtectRareOptions(replacement="constant")).narrowed(columns, found)
    assert labelled["c"].storage.categories == ("b", "a", "_RARE_")
    assert ProtectRareTransform(ProtectRareOptions(exclude=("c",))).narrowed(columns, found) == found


def test_where_all_categories_are_rare_their_dtype_lists_the_label_or_nothing() -> None:
    columns = table({"c": ["1", "2", "3"], "d": ["x", "y", "z"]})
    found = schema(column("c", storage=fixed("1", "2", "3", dtype="int64")), column("d", storage=fixed("x", "y", "z")))
    narrowed = ProtectRareTransform().narrowed(columns, found)
    assert [each.storage.categories for each in narrowed] == [(), ("_RARE_",)]
    known = ProtectRareTransform().fit(columns, narrowed)
    assert texts(check_round_trip(known, columns)) == {"c": [None] * 3, "d": ["_RARE_"] * 3}


def test_marks_of_a_single_group_are_in_no_schema() -> None:
    groups = [f"p{row // 10}" for row in range(400)]
    values = ["<canary" if row < 10 else "n.d." if row % 7 == 0 else str(row % 50) for row in range(400)]
    marked = Marked(type=T.INTEGER, marks=("n.d.", "<canary"))
    found = schema(column("who", T.TEXT), column("x", T.TEXT, marked=marked))
    transform = marks.build(context(data=DataConfig(group_training_examples_by="who")), None)
    narrowed = transform.narrowed(table({"who": groups, "x": values}), found)
    assert narrowed["x"].marked == Marked(type=T.INTEGER, marks=("n.d.",))
    assert "canary" not in json.dumps(transform.fit(table({"who": groups, "x": values}), narrowed).state())


def test_rare_parts_of_moments_are_told_with_their_neighbours() -> None:
    hours = [9, 10, 11, 12] * 20
    values = [f"2024-0{1 + place % 2}-01 {hour:02d}:00:00" for place, hour in enumerate(hours)]
    values += ["2024-01-13 03:47:11", *(f"2024-02-01 {hour}:00:00" for hour in (17, 17, 18, 19, 19, 19, 20, 20))]
    found = schema(column("d", T.DATETIME, datetime_format="%Y-%m-%d %H:%M:%S"))
    columns = table({"d": values})
    known = DatetimeTransform(k=5).fit(columns, found)
    assert [each.name for each in known.schema_after] == ["d.month", "d.hour"]
    (parted,) = known.parted
    assert (parted.parts[1].bins.lows, parted.parts[1].bins.highs) == ((9, 10, 11, 12, 17), (9, 10, 11, 12, 20))
    made = texts(check_round_trip(known, columns))["d"]
    assert made[80] == "2024-01-01 09:00:00"
    assert {(value or "")[11:13] for value in made[81:]} <= {"17", "18", "19", "20"}
    assert len(set(made[81:])) > 1


def test_characters_of_a_single_group_are_learned() -> None:
    """Characters and shapes of free text need rows, not groups, as the privacy page says."""
    chance, rows = np.random.default_rng(0), np.repeat(np.arange(60), 10)
    notes = [" ".join(chance.choice(["called", "twice", "paid"], 4)) + "@" * int(row == 0) for row in rows]
    columns = table({"who": [f"p{row:03d}" for row in rows], "note": notes})
    found = schema(column("who", T.TEXT), column("note", T.TEXT))
    run = context(data=DataConfig(group_training_examples_by="who"))
    known, applied = fit_transforms(
        columns, found, [("groups", GroupsTransform(("who",))), ("texts", free_text.build(run, None))]
    )
    assert any("@" in (note or "") for note in texts(known.invert(applied, draws(len(rows)), {}))["note"])


def test_pieces_that_one_text_or_one_group_repeats_are_not_learned() -> None:
    pytest.importorskip("tokenizers")
    chance = np.random.default_rng(1)
    plain = [" ".join(chance.choice(["called", "twice", "nobody"], 4)) for _ in range(400)]
    once = table({"note": [*plain, "canary " * 60]})
    found = schema(column("note", T.TEXT))
    pieces = learn_vocabulary(once, model_schema_of(once, found)).pieces
    assert not any(b"can" in piece for piece in pieces)
    assert any(b"twice" in piece for piece in pieces)
    grouped = table({"who": [f"p{row // 12:03d}" for row in range(400)], "note": ["canary story"] * 12 + plain[12:]})
    records = GroupsTransform(("who",)).fit(grouped, schema(column("who", T.TEXT), *found))
    applied = records.apply(grouped)
    pieces = learn_vocabulary(applied, model_schema_of(applied, records.schema_after)).pieces
    assert not any(b"can" in piece for piece in pieces)
    assert any(b"twice" in piece for piece in pieces)
