"""Free text keeps the characters and shapes that enough rows have."""

import numpy as np
import pytest

from rowsmith_plugins.transforms.options import TextsOptions
from rowsmith_plugins.transforms.texts import FittedTexts, TextsTransform

from .tables import T, check_round_trip, check_state, column, schema, table, texts

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
        ("5", ""),
    ],
)
def test_rare_characters_become_others_or_nothing(rare: str, kept: str) -> None:
    result = applied([*WORDS, rare, None])
    assert result[:600] == WORDS
    assert result[601] is None
    assert result[600] == kept


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
