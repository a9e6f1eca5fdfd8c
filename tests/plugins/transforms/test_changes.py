"""Values that go on from record to record, told by their changes."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rowsmith.config.sections import DataConfig, TimeSeriesConfig
from rowsmith.errors import ParameterError
from rowsmith.table.schema import ColumnSchema, Timing, TimingRole
from rowsmith.transforms import Scope, default_transforms, fit_transforms
from rowsmith_plugins.transforms.changes import transform as changes
from rowsmith_plugins.transforms.changes.transform import ChangesTransform, FittedChanges, build
from rowsmith_plugins.transforms.common import constant, narrow_first
from rowsmith_plugins.transforms.datetime import transform as datetime
from rowsmith_plugins.transforms.groups import transform as groups
from rowsmith_plugins.transforms.keys import transform as keys
from rowsmith_plugins.transforms.options import ChangesOptions
from rowsmith_plugins.transforms.quantize import transform as quantize
from rowsmith_plugins.transforms.rare import transform as protect_rare
from rowsmith_plugins.transforms.relations import transform as relations
from rowsmith_plugins.transforms.seasonal import transform as seasonal
from rowsmith_plugins.transforms.texts import codes, marks
from rowsmith_plugins.transforms.texts import texts as texts_

from .tables import T, check_state, column, context, draws, schema, seeds, table, texts

STEP = column("~step", nullable=True, timing=Timing(role=TimingRole.STEP, amounts=(("next", 1.0),)))
TENTHS = column("x", T.DECIMAL, scale=1, max_scale=1)
WHOLE = column("x", T.INTEGER)
FREE = column("x", T.DECIMAL)
Values = Sequence[str | None]


def steps_of(lengths: Sequence[int]) -> list[str | None]:
    return [None if at == 0 else "next" for length in lengths for at in range(length)]


def fit(values: Values, found: ColumnSchema = TENTHS, lengths: Sequence[int] | None = None, **options: Any) -> Any:
    held = table({"~step": steps_of(lengths or [len(values)]), "x": values})
    transform = ChangesTransform(ChangesOptions(**options))
    fitted = transform.fit(held, schema(STEP, found))
    check_state(transform, fitted, held)
    return fitted, held


def there_and_back(fitted: FittedChanges, held: Any, seed: int = 0) -> tuple[dict[str, Any], list[str | None]]:
    applied = fitted.apply(held)
    back = fitted.invert(applied, draws(held.num_rows, seed), {})
    assert tuple(back.column_names) == fitted.schema_before.names
    return texts(applied), texts(back)["x"]


def numbers(values: Values) -> np.ndarray:
    return np.array([float(value) for value in values if value is not None])


def tenths(values: np.ndarray) -> list[str]:
    return [f"{value:.1f}" for value in values]


def whole(values: np.ndarray) -> list[str]:
    return [str(int(value)) for value in np.rint(values)]


def free(values: np.ndarray) -> list[str]:
    return [repr(float(value)) for value in values]


def autoregressive(rng: np.random.Generator, rows: int, share: float = 0.995) -> np.ndarray:
    values = np.zeros(rows)
    for at in range(1, rows):
        values[at] = share * values[at - 1] + rng.normal()
    return values


def test_a_value_becomes_its_change_and_its_level() -> None:
    lengths = [60, 60]
    values = [f"{at / 10:.1f}" for length in lengths for at in range(length)]
    fitted, held = fit(values, lengths=lengths)
    applied, back = there_and_back(fitted, held)
    assert list(applied) == ["~step", "x~change", "x"]
    assert applied["x~change"] == [None, *["+0.1"] * 59] * 2
    assert None not in applied["x"]
    moved = np.diff(numbers(back).reshape(2, 60)).round(9)
    assert set(moved.ravel()) <= {0.0, 0.1}
    # The range ends where several records are.
    assert (moved == 0.1).mean() > 0.9
    change, level = fitted.schema_after["x~change"], fitted.schema_after["x"]
    assert (change.timing.role, level.timing.role) == (TimingRole.CHANGE, TimingRole.LEVEL)
    assert change.timing.of == level.timing.of == "x"
    assert dict(change.timing.amounts) == {"+0.1": pytest.approx(0.1)}
    assert all(label == f"~{amount:.1f}" for label, amount in level.timing.amounts)
    assert change.nullable
    assert not level.nullable
    assert fitted.scope is Scope.GROUP


def test_a_level_is_the_landmark_nearest_to_the_value() -> None:
    values = tenths(np.random.default_rng(1).normal(0, 1, 600).cumsum())
    fitted, held = fit(values)
    amounts = dict(fitted.schema_after["x"].timing.amounts)
    marks = np.array(list(amounts.values()))
    for value, label in zip(numbers(values), texts(fitted.apply(held))["x"], strict=True):
        assert abs(amounts[label] - value) == pytest.approx(abs(marks - value).min())


def test_missing_values_stay_missing_and_the_next_goes_on_from_the_last() -> None:
    rng = np.random.default_rng(2)
    values: list[str | None] = list(whole(rng.integers(-3, 4, 500).cumsum()))
    gone = rng.choice(np.arange(1, 500), 80, replace=False)
    for at in gone:
        values[at] = None
    fitted, held = fit(values, column("x", T.INTEGER, nullable=True))
    applied, back = there_and_back(fitted, held)
    assert [value is None for value in back] == [value is None for value in values]
    assert [value is None for value in applied["x"]] == [value is None for value in values]
    assert (np.abs(np.diff(numbers(back)) - np.diff(numbers(values))) <= 1).mean() >= 0.95
    assert fitted.schema_after["x"].nullable


@pytest.mark.parametrize(
    ("values", "found", "taken"),
    [
        (tenths(autoregressive(np.random.default_rng(0), 500)), TENTHS, True),
        (tenths(np.random.default_rng(0).normal(0, 9, 500)), TENTHS, False),
        (whole(np.repeat(np.arange(10), 50)), WHOLE, False),
        (whole(np.arange(40)), WHOLE, False),
        (["5"] * 500, WHOLE, False),
        ([None, *whole(np.arange(499))], column("x", T.INTEGER, nullable=True), False),
        ([None] * 500, column("x", T.INTEGER, nullable=True), False),
        ([str(2**61 + (at << 55)) for at in range(20)] * 5, WHOLE, False),
    ],
    ids=["smooth", "noise", "few values", "few rows", "one value", "begins with null", "nulls", "too large"],
)
def test_columns_that_go_on_are_found(values: Values, found: ColumnSchema, taken: bool) -> None:
    fitted, _ = fit(values, found)
    assert [each.column.name for each in fitted.changed] == ["x"] * taken


def test_noise_around_the_level_of_each_group_is_no_going_on() -> None:
    rng = np.random.default_rng(4)
    values = tenths(np.repeat(np.arange(30) * 100, 40) + rng.normal(0, 3, 1200))
    assert not fit(values, lengths=[40] * 30)[0].changed
    values = tenths(np.repeat(np.arange(30) * 100, 40) + rng.normal(0, 3, (30, 40)).cumsum(axis=1).ravel())
    assert fit(values, lengths=[40] * 30)[0].changed


def test_columns_may_be_asked_for_or_left_out() -> None:
    smooth, noise = tenths(np.arange(300.0) ** 1.5), tenths(np.random.default_rng(0).normal(0, 9, 300))
    assert not fit(smooth, exclude=("x",))[0].changed
    assert fit(noise, columns=("x",))[0].changed


@pytest.mark.parametrize("name", ["y", "~step"])
def test_only_numeric_columns_may_be_asked_for(name: str) -> None:
    with pytest.raises(ParameterError, match=f"no numeric column '{name}'"):
        fit(tenths(np.arange(300.0)), columns=(name,))


@pytest.mark.parametrize("values", [[None, "1", "2"], ["1", None, None], [None, None, None]])
def test_a_column_that_cannot_be_told_is_named(values: Values) -> None:
    with pytest.raises(ParameterError, match="column 'x' cannot be encoded by its changes"):
        fit(values, column("x", T.INTEGER, nullable=True), columns=("x",))


def test_it_takes_what_groups_makes() -> None:
    with pytest.raises(ParameterError, match="list it after 'groups'"):
        ChangesTransform().fit(table({"x": ["1"]}), schema(WHOLE))
    with pytest.raises(ParameterError, match=r"time_series\.is_timeseries"):
        build(context(), None)


def test_only_series_have_it_by_default() -> None:
    assert "changes" not in default_transforms()
    assert "changes" not in default_transforms(grouped=True)
    names = default_transforms(grouped=True, timeseries=True)
    assert names[names.index("changes") - 1] == "groups"


# --- what series are like, there and back

SERIES: dict[str, tuple[ColumnSchema, Callable[[np.ndarray], list[str]], Callable[[Any, int], np.ndarray]]] = {
    "autoregressive, tenths": (TENTHS, tenths, autoregressive),
    "autoregressive, free": (FREE, free, autoregressive),
    "autoregressive, large whole": (WHOLE, whole, lambda r, n: 1e6 * autoregressive(r, n)),
    "random walk, free": (FREE, free, lambda r, n: 1e-7 * r.normal(0, 1, n).cumsum()),
    "random walk, coarse": (WHOLE, whole, lambda r, n: r.normal(0, 20, n).cumsum()),
    "heavy tails": (TENTHS, tenths, lambda r, n: r.standard_t(3, n).cumsum() * 3),
    "often unchanged": (FREE, free, lambda r, n: (r.normal(0, 1, n) * (r.random(n) < 0.3)).cumsum()),
    "seasonal": (TENTHS, tenths, lambda r, n: 30 * np.sin(np.arange(n) / 52 * 2 * np.pi) + 0.02 * np.arange(n)),
    "rising with noise": (TENTHS, tenths, lambda r, n: 315 + 0.03 * np.arange(n) + r.normal(0, 0.3, n)),
}


def lag(values: np.ndarray) -> float:
    return float(np.corrcoef(values[1:], values[:-1])[0, 1])


@pytest.mark.parametrize("name", SERIES)
def test_series_stay_as_smooth_as_they_are(name: str) -> None:
    found, write, make = SERIES[name]
    lengths = [1500, 1500]
    old = np.array([numbers(write(make(np.random.default_rng(seed), 1500))) for seed in range(2)])
    fitted, held = fit([text for row in old for text in write(row)], found, lengths)
    assert fitted.changed
    _, back = there_and_back(fitted, held)
    new = numbers(back).reshape(2, 1500)
    # The largest changes, which few records have, become smaller.
    lost = 0.06 if name == "heavy tails" else 0.03
    assert old.min() <= new.min() <= new.max() <= old.max()
    for one, other in zip(old, new, strict=True):
        assert np.diff(other).std() == pytest.approx(np.diff(one).std(), rel=2 * lost)
        assert lag(other) == pytest.approx(lag(one), abs=0.004)
        assert lag(np.diff(other)) == pytest.approx(lag(np.diff(one)), abs=0.05)
        # What the labels stand for is not left behind in a long series.
        assert np.abs(other - one).max() <= 3 * lost * np.ptp(old)
    assert (np.diff(new) == 0).mean() == pytest.approx((np.diff(old) == 0).mean(), abs=0.01)


@settings(max_examples=30, deadline=None)
@given(seed=seeds, groups_=st.integers(1, 8))
def test_exact_changes_come_back_exactly(seed: int, groups_: int) -> None:
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, 60, groups_).tolist()
    jumps = rng.choice([-2, 0, 1, 7], 400)
    values = [str(1000 + value) for length in lengths for value in np.cumsum(rng.choice(jumps, length))]
    values += [str(1000 + value) for value in np.cumsum(jumps)]
    fitted, held = fit(values, WHOLE, [*lengths, 400], columns=("x",))
    applied, back = there_and_back(fitted, held, seed)
    again, _ = there_and_back(fitted, table({"~step": applied["~step"], "x": back}), seed)
    top = {max(values, key=int), min(values, key=int)} | {max(back, key=int), min(back, key=int)}
    if not fitted.changed[0].changes.cells.bins and not any(value in top for value in back):
        assert again["x~change"] == applied["x~change"]
    starts = [row for row, step in enumerate(applied["~step"]) if step is None]
    assert [again["x"][row] for row in starts] == [applied["x"][row] for row in starts]


@settings(max_examples=30, deadline=None)
@given(seed=seeds, data=st.data(), kind=st.sampled_from(["tenths", "whole", "free"]), nullable=st.booleans())
def test_any_labels_give_a_valid_table(seed: int, data: st.DataObject, kind: str, nullable: bool) -> None:
    rng = np.random.default_rng(seed)
    write = {"tenths": tenths, "whole": whole, "free": free}[kind]
    style: dict[str, Any] = {"tenths": {"scale": 1, "max_scale": 1}}.get(kind, {})
    found = column("x", T.INTEGER if kind == "whole" else T.DECIMAL, nullable=nullable, **style)
    values = write(rng.normal(0, 10 ** rng.integers(0, 4), 150).cumsum())
    fitted, _ = fit(values, found, [100, 50], columns=("x",))
    rows = 25
    odd: dict[str, list[str | None]] = {}
    for each in fitted.schema_after:
        labels = st.sampled_from([None, "odd", *dict(each.timing.amounts)])
        odd[each.name] = data.draw(st.lists(labels, min_size=rows, max_size=rows))
    back = texts(fitted.invert(table(odd), draws(rows, seed), {}))["x"]
    low, high = numbers(values).min(), numbers(values).max()
    assert all(low <= number <= high for number in numbers(back))
    if kind != "free":
        assert write(numbers(back)) == [value for value in back if value is not None]
    begun = [row == 0 or odd["~step"][row] is None for row in range(rows)]
    missing = [nullable and not first and odd["x~change"][row] is None for row, first in enumerate(begun)]
    assert [value is None for value in back] == missing


@settings(max_examples=15, deadline=None)
@given(seed=seeds, cut=st.integers(1, 19))
def test_groups_do_not_depend_on_how_they_are_batched(seed: int, cut: int) -> None:
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, 20, 20).tolist()
    fitted, held = fit(tenths(rng.normal(0, 1, sum(lengths)).cumsum()), TENTHS, lengths, columns=("x",))
    applied, at, carry = fitted.apply(held), sum(lengths[:cut]), {}
    whole_ = texts(fitted.invert(applied, draws(sum(lengths), seed), {}))
    first = texts(fitted.invert(applied.slice(0, at), draws(at, seed), carry))
    second = texts(fitted.invert(applied.slice(at), draws(sum(lengths) - at, seed, at), carry))
    assert {name: first[name] + second[name] for name in whole_} == whole_


def test_rows_unlike_those_of_training_are_told_too() -> None:
    fitted, _ = fit(tenths(np.arange(300.0)), column("x", T.DECIMAL, scale=1, max_scale=1, nullable=True))
    unseen = table({"~step": [None, "next", "next", None], "x": [None, "99999.0", "3.0", None]})
    applied, back = there_and_back(fitted, unseen)
    assert applied["x~change"][0] is applied["x~change"][3] is None
    assert applied["x"][0] is applied["x"][3] is None
    assert None not in back


def test_the_default_transforms_of_a_series_work_together() -> None:
    rng = np.random.default_rng(5)
    lengths, rows, first = [200, 300], 500, np.datetime64("2020-01-01")
    held = {
        "id": ["a"] * 200 + ["b"] * 300,
        "day": [str(day) for length in lengths for day in first + np.arange(length).astype("timedelta64[D]")],
        "x": tenths(rng.normal(0, 1, rows).cumsum()),
        "noise": tenths(rng.normal(0, 99, rows)),
        "kind": rng.choice(["u", "v"], rows).tolist(),
    }
    found = schema(
        column("id"),
        column("day", T.DATETIME, datetime_format="%Y-%m-%d"),
        TENTHS,
        column("noise", T.DECIMAL, scale=1, max_scale=1),
        column("kind"),
    )
    data = DataConfig(group_training_examples_by="id")
    series = TimeSeriesConfig(is_timeseries=True, timestamp_column="day")
    made: Any = {
        "keys": keys,
        "marks": marks,
        "constant": constant,
        "relations": relations,
        "groups": groups,
        "changes": changes,
        "codes": codes,
        "quantize": quantize,
    }
    made |= {"protect-rare": protect_rare, "texts": texts_, "datetime": datetime, "narrow-first": narrow_first}
    made |= {"seasonal": seasonal}
    names = (*default_transforms(grouped=True, timeseries=True), "narrow-first")
    steps = [(name, made[name].build(context(data=data, time_series=series), None)) for name in names]
    fitted, applied = fit_transforms(table(held), found, steps)
    columns = applied.column_names
    assert columns.index("x") == columns.index("x~change") + 1
    roles = [each.timing and each.timing.role for each in fitted.schema_after if each.name.startswith("x")]
    assert roles == [TimingRole.CHANGE, TimingRole.LEVEL]
    assert not any("noise~change" in name for name in columns)
    back = texts(fitted.invert(applied, draws(rows), {}))
    assert back["day"][0] < back["day"][199]
    for one, other in zip(np.split(numbers(held["x"]), [200]), np.split(numbers(back["x"]), [200]), strict=True):
        assert np.diff(other).std() == pytest.approx(np.diff(one).std(), rel=0.1)
        assert lag(other) == pytest.approx(lag(one), abs=0.02)
    assert any("'x'" in line for line in fitted.inventory())
