"""Codes are told by the numbers in them: their range, their width and their repeats are kept."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rowsmith.transforms import FittedTransforms, fit_transforms
from rowsmith_plugins.transforms.quantize.transform import QuantizeTransform
from rowsmith_plugins.transforms.texts.codes import CodesTransform, FittedCodes

from .tables import T, check_round_trip, check_state, column, draws, schema, seeds, table, texts

CODE = column("code", T.TEXT, nullable=True)


def fit(values: list[str | None], type_: T = T.TEXT) -> FittedCodes:
    columns = table({"code": values})
    transform = CodesTransform(seed=3)
    fitted = transform.fit(columns, schema(column("code", type_, nullable=True)))
    check_state(transform, fitted, columns)
    return fitted


def back(values: list[str | None]) -> list[str]:
    """The codes after the numbers in them went through their bins."""
    columns = table({"code": values})
    steps = [("codes", CodesTransform(seed=3)), ("quantize", QuantizeTransform())]
    fitted: FittedTransforms = fit_transforms(columns, schema(CODE), steps)[0]
    return [text or "" for text in texts(check_round_trip(fitted, columns))["code"]]


def families(seed: int = 0) -> list[str]:
    random = np.random.default_rng(seed)
    return [f"{number:03d}" for number in range(1, 205) for _ in range(random.integers(2, 8))]


def test_codes_with_zeros_before_them_keep_range_width_and_repeats() -> None:
    made = back(list(families()))
    assert {len(code) for code in made} == {3}
    assert min(map(int, made)) >= 1 and max(map(int, made)) <= 204
    assert 0.9 < len(set(made)) / 204 <= 1


def test_names_that_are_far_apart_and_repeat_go_on_repeating() -> None:
    random = np.random.default_rng(1)
    firms = random.choice(np.arange(10_000, 99_999), 150, replace=False)
    values: list[str | None] = [f"F-{number}" for number in np.repeat(firms, 4)]
    made = back(values)
    assert 100 < len(set(made)) <= 150
    assert all(code.startswith("F-") and 10_000 <= int(code[2:]) <= 99_999 for code in made)
    # A name of few rows is met by chance alone.
    assert np.isin(made, np.array(values)).mean() < 0.1


def test_a_code_that_enough_rows_have_comes_back_as_it_is() -> None:
    random = np.random.default_rng(2)
    values: list[str | None] = [f"K{number}" for number in np.repeat(random.choice(10**6, 100, replace=False), 3)]
    values += ["K777777"] * 60
    assert abs(back(values).count("K777777") - 60) <= 2


def test_layouts_and_other_values_are_labels_beside_the_number() -> None:
    values: list[str | None] = [f"M{place % 17:02d}" for place in range(68)] + [
        f"F{place % 11:02d}" for place in range(44)
    ]
    fitted = fit([*values, *["unknown"] * 6, None])
    applied = texts(fitted.apply(table({"code": ["M03", "F10", "unknown", None, "?"]})))
    assert applied["code"][:4] == ["M#", "F#", "=unknown", None]
    assert applied["code.number"][:4] == ["3", "1", None, None]
    assert applied["code"][4] is not None


@pytest.mark.parametrize(
    "values",
    [
        ["red", "green", "blue"] * 40,
        [f"street {place} of town {place * 7}" for place in range(100)],
        [f"{chr(65 + place % 26)}{place}" for place in range(100)],
        ["7", "8"] * 3,
    ],
)
def test_what_is_no_code_stays(values: list[str | None]) -> None:
    assert not fit(values).columns


def test_labels_of_which_most_rows_hold_a_frequent_one_stay() -> None:
    values: list[str | None] = [f"C{place % 12:02d}" for place in range(120)] + ["C90", "C91"]
    assert not fit(values, T.CATEGORICAL).columns


def test_a_missing_number_is_drawn_in_the_range_of_its_layout() -> None:
    fitted = fit([*(f"M{place % 17:02d}" for place in range(68)), *(f"F{place % 11:02d}" for place in range(44))])
    odd = table({"code": ["M#", "F#", "?", "F#", None], "code.number": [None, "500", "3", "-4", "3"]})
    made = texts(fitted.invert(odd, draws(5), {}))["code"]
    assert all("F01" <= str(each) <= "F09" for each in (made[1], made[3])) and made[4] is None
    assert str(made[0]).startswith("M") and made[2] == "M03"


def test_no_rows_pile_up_at_the_ends_of_a_layout() -> None:
    """Neither those beyond them, nor numbers of another layout, which may be far larger."""
    random = np.random.default_rng(4)
    values: list[str | None] = [f"A{number:03d}" for number in random.integers(100, 400, 400)]
    values += [f"B{number:03d}" for number in random.integers(600, 900, 400)]
    columns = table({"code": values})
    fitted = fit(values)
    for layout in fitted.columns[0].layouts:
        ends = [layout.spell(layout.low), layout.spell(layout.high)]
        applied = texts(fitted.invert(fitted.apply(columns), draws(800), {}))["code"]
        assert sum(applied.count(end) for end in ends) <= sum(values.count(end) for end in ends) + 2
        odd = table(
            {"code": [f"{layout.prefix}#"] * 300, "code.number": [str(n) for n in random.integers(0, 999, 300)]}
        )
        made = texts(fitted.invert(odd, draws(300), {}))["code"]
        assert sum(made.count(end) for end in ends) < 15


@settings(max_examples=25)
@given(seed=seeds, rows=st.integers(1, 200), size=st.integers(1, 60), width=st.sampled_from([0, 4, 9]))
def test_any_codes_go_through_and_back(seed: int, rows: int, size: int, width: int) -> None:
    random = np.random.default_rng(seed)
    pool = [
        f"{random.choice(['', 'A-', 'B/7-'])}{str(random.integers(0, 10 ** random.integers(1, 9))).zfill(width)}"
        for _ in range(size)
    ]
    values: list[str | None] = [*random.choice([*pool, "none", ""], rows).tolist(), None]
    check_round_trip(fit(values), table({"code": [*values, "unseen 9", "A-12"]}), seed)
