"""Free text keeps the characters and shapes that enough rows have."""

import numpy as np
import pytest

from rowsmith_plugins.transforms.options import TextsOptions
from rowsmith_plugins.transforms.texts.texts import FittedTexts, TextsTransform

from .tables import T, check_round_trip, check_state, column, draws, schema, table, texts

SCHEMA = schema(column("x", T.TEXT, nullable=True))


def fit(values: list[str | None], **options: object) -> FittedTexts:
    transform = TextsTransform(TextsOptions(**options), seed=4)  # type: ignore[arg-type]
    columns = table({"x": values})
    fitted = transform.fit(columns, SCHEMA)
    check_round_trip(fitted, columns)
    check_state(transform, fitted, columns)
    return fitted


def applied(values: list[str | None]) -> list[str | None]:
    return texts(fit(values).apply(table({"x": values})))["x"]


WORDS: list[str | None] = [f"mean {'abcdefgh'[: place % 8]} time" for place in range(600)]


@pytest.mark.parametrize(
    ("rare", "kept"),
    [
        ("é mean", "e mean"),
        ("mean™", "meantm"),
        ("mean\x07 time", "mean time"),
        ("bad zoo", "bad aaa"),
        ("TIME", "time"),
        ("日", "a"),
        ("5mean", "mean"),
    ],
)
def test_rare_characters_become_others_or_nothing(rare: str, kept: str) -> None:
    result = applied([*WORDS, rare, None])
    assert result[:600] == WORDS
    assert result[601] is None
    assert result[600] == kept


def test_a_text_of_which_nothing_is_left_becomes_another_one() -> None:
    assert set(applied([*WORDS, "5", "17"])) <= set(WORDS)


def test_characters_that_enough_rows_have_stay() -> None:
    values: list[str | None] = [*WORDS, *["naïve 東京"] * 5]
    assert applied(values) == values
    assert applied([*WORDS, *["naïve 東京"] * 4])[600:] != ["naïve 東京"] * 4


def test_short_tables_have_a_smaller_k() -> None:
    values: list[str | None] = [*WORDS[:60], "qu", "qu"]
    assert applied(values) == values
    assert applied([*WORDS[:60], "qu"])[60] != "qu"


def postcodes(count: int, seed: int = 0) -> list[str]:
    rng = np.random.default_rng(seed)
    letters, digits = rng.choice(list("ABCDEFGH"), (count, 4)), rng.choice(list("0123456789"), (count, 2))
    return [f"{a}{b}{x} {y}{c}{d}" for (a, b, c, d), (x, y) in zip(letters, digits, strict=True)]


def test_values_of_a_rare_shape_become_another_rows() -> None:
    codes = postcodes(600)
    values: list[str | None] = [*codes, "AB1-2CD", "N/A 1", None]
    fitted = fit(values)
    assert fitted.columns[0].shapes == ("AA9 9AA",)
    result = texts(fitted.apply(table({"x": values})))["x"]
    assert result[:600] == codes
    assert set(result[600:602]) <= set(codes)
    assert result[602] is None
    alone = texts(fitted.apply(table({"x": ["AB1-2CD"]})))["x"][0]
    assert alone is not None
    assert fitted.columns[0].shapes == ("AA9 9AA",)
    assert len(alone) == 7


@pytest.mark.parametrize(
    "values",
    [
        [*postcodes(400), *[f"a {'sentence' * (place % 5)} of {'x' * place}" for place in range(200)]],
        [f"{place} " + "ab" * (place % 70) for place in range(600)],
        WORDS,
    ],
)
def test_sentences_have_no_shapes(values: list[str | None]) -> None:
    assert fit(values).columns[0].shapes == ()


def test_labels_numbers_and_excluded_columns_stay() -> None:
    columns = table({"x": ["é", *["a"] * 600]})
    assert TextsTransform().fit(columns, schema(column("x"))).columns == ()
    assert TextsTransform(TextsOptions(exclude=("x",))).fit(columns, SCHEMA).columns == ()


CITIES: list[str | None] = [*["London"] * 30, *["Paris"] * 20, *(f"town {place:03d}x" for place in range(200)), None]


def test_frequent_values_become_labels_and_the_rest_is_spelled() -> None:
    fitted = fit(CITIES)
    result = texts(fitted.apply(table({"x": CITIES})))
    assert result["x"] == [*["=London"] * 30, *["=Paris"] * 20, *["~"] * 200, None]
    assert result["x.text"] == [*[None] * 50, *CITIES[50:]]
    assert texts(fitted.invert(fitted.apply(table({"x": CITIES})), draws(251), {}))["x"] == CITIES


def test_texts_that_all_differ_or_all_repeat_stay_as_they_are() -> None:
    for values in (CITIES[50:], [*CITIES[:50], "town 1"]):
        assert fit(values).schema_after.names == ("x",)


def test_a_text_that_is_missing_becomes_a_frequent_value() -> None:
    fitted = fit(CITIES)
    odd = table({"x": ["~"] * 500 + ["?"] * 500, "x.text": [None] * 1000})
    made = texts(fitted.invert(odd, draws(1000), {}))["x"]
    assert set(made) == {"London", "Paris"}
    assert 540 < made.count("London") < 660


def test_what_is_changed_of_a_text_is_counted_and_what_is_taken_apart_is_not() -> None:
    fitted = fit([*CITIES, "™"])
    columns = table({"x": [*CITIES, "™"]})
    assert fitted.shares_changed(columns, fitted.apply(columns)) == {"x": 1 / 252}


def test_the_share_of_values_that_are_no_labels_is_noted() -> None:
    values = ["Norway"] * 12 + ["Chad"] * 8 + [f"Land {chr(97 + i)}{chr(98 + i)}" for i in range(20)]
    columns = table({"country": values})
    fitted = TextsTransform().fit(columns, schema(column("country", T.TEXT)))
    assert fitted.notes() == [
        "values that too few rows have to be labels are spelled as new text: country (50.0% of its values)"
    ]
    assert TextsTransform().restore(fitted.state()).notes() == fitted.notes()


def test_text_without_labels_has_no_such_note() -> None:
    values = [f"Land {chr(97 + i % 20)}{chr(98 + i // 20)}" for i in range(40)]
    columns = table({"country": values})
    assert TextsTransform().fit(columns, schema(column("country", T.TEXT))).notes() == []


STATES: list[str | None] = [first + second for first in "ACDKLMNOR" for second in "AEIKLNRTY" if first + second != "NA"]


@pytest.mark.parametrize("values", [STATES * 2, [*STATES, *["CA"] * 40, *["NA"] * 9]])
def test_no_word_for_a_missing_value_is_spelled_where_no_row_has_one(values: list[str | None]) -> None:
    fitted = fit(values)
    spelled = fitted.schema_after.names[-1]
    columns = {"x": ["~"] * 3, spelled: ["NA", "KL", "NA"]}
    made = texts(fitted.invert(table(columns), draws(3), {}))["x"]
    assert made[1] == "KL"
    assert made[0] != made[2]
    assert all(str(text).isalpha() and len(str(text)) == 2 and text != "NA" for text in made)
    # A row's text does not depend on its batch.
    last = texts(fitted.invert(table({name: each[2:] for name, each in columns.items()}), draws(1, start=2), {}))["x"]
    assert last == made[2:]


def test_a_word_for_a_missing_value_that_rows_have_is_spelled() -> None:
    fitted = fit([*STATES * 2, "NA"])
    assert texts(fitted.invert(table({"x": ["NA", ""]}), draws(2), {}))["x"] == ["NA", ""]
