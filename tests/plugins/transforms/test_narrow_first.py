"""Columns of few values come first for the model, and go back to their places."""

from hypothesis import given
from hypothesis import strategies as st

from rowsmith_plugins.transforms.common.narrow_first import NarrowFirstTransform

from .tables import T, check_round_trip, check_state, column, schema, table, texts


def test_few_values_come_first_and_text_comes_last() -> None:
    columns = table(
        {
            "text": ["a", "a", "a", "a"],
            "four": ["1", "2", "3", "4"],
            "two": ["x", "y", "x", "y"],
            "two and null": ["x", "y", None, "y"],
            "also two": ["p", "p", "q", "p"],
        }
    )
    given_schema = schema(
        column("text", T.TEXT),
        column("four", T.INTEGER),
        column("two"),
        column("two and null", nullable=True),
        column("also two"),
    )
    transform = NarrowFirstTransform()
    fitted = transform.fit(columns, given_schema)
    assert fitted.schema_after.names == ("two", "also two", "two and null", "four", "text")
    assert texts(check_round_trip(fitted, columns)) == texts(columns)
    check_state(transform, fitted, columns)
    assert fitted.inventory() == []


@given(st.lists(st.integers(1, 6), min_size=1, max_size=6))
def test_widths_never_fall(widths: list[int]) -> None:
    names = [f"c{place}" for place in range(len(widths))]
    columns = table({name: [str(row % width) for row in range(6)] for name, width in zip(names, widths, strict=True)})
    fitted = NarrowFirstTransform().fit(columns, schema(*(column(name) for name in names)))
    order = [widths[names.index(name)] for name in fitted.schema_after.names]
    assert order == sorted(widths)
