"""Relations that the user states or refuses."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from rowsmith.config import load_config
from rowsmith.config.defaults import transforms_for
from rowsmith.errors import ConfigError
from rowsmith_plugins.transforms.relations.transform import FittedRelations, RelationsTransform, build

from .tables import T, check_round_trip, check_state, column, context, draws, schema, table, texts

ROWS = 900


def rows() -> dict[str, list[str | None]]:
    random = np.random.default_rng(4)
    city = random.integers(0, 12, ROWS)
    code = (city % 5 + 11) * 1000 + random.integers(0, 1000, ROWS)
    return {
        "city": [f"c{each}" for each in city],
        "region": [f"r{each % 4}" for each in city],
        "postcode": [str(each) for each in code],
        "size": [str(each) for each in random.integers(0, 30, ROWS)],
    }


SCHEMA = schema(column("city"), column("region"), column("postcode", T.INTEGER), column("size", T.INTEGER))


def fit(*statements: str, columns: dict[str, list[str | None]] | None = None) -> FittedRelations:
    transform: RelationsTransform = build(context(relations=statements or "auto"), None)
    given: pa.Table = table(columns or rows())
    fitted = transform.fit(given, SCHEMA)
    check_round_trip(fitted, given, 1)
    check_state(transform, fitted, given)
    return fitted


def described(fitted: FittedRelations) -> set[str]:
    return {each.describe() for each in fitted.codings}


def test_relations_are_found_unless_the_user_says_none() -> None:
    assert described(fit()) == {"city -> region", "city -> prefix(postcode, 2)"}
    assert "relations" not in [ref.name for ref in transforms_for(load_config(values={"relations": "none"}))]


def test_the_first_digits_of_a_number_follow_and_the_others_are_learned() -> None:
    fitted = fit()
    assert fitted.schema_after.names == ("city", "postcode.rest", "size")
    back = fitted.invert(
        table({"city": ["c1", "c3"], "postcode.rest": ["7", "123456"], "size": ["1", "1"]}), draws(2), {}
    )
    assert texts(back)["postcode"] == ["12007", "14456"]


@pytest.mark.parametrize("refusal", ["not city -> region", "not city -> ...", "not ... -> region", "not ..."])
def test_a_refused_relation_is_not_used(refusal: str) -> None:
    assert "city -> region" not in described(fit(refusal))


def test_only_what_is_stated_is_used_beside_the_refusal_of_all() -> None:
    assert described(fit("city -> region", "not ...")) == {"city -> region"}


def test_a_statement_that_holds_in_most_rows_is_used_where_it_holds() -> None:
    columns = rows()
    columns["region"] = [
        f"r{index % 4}" if city == "c2" else region
        for index, (city, region) in enumerate(zip(columns["city"], columns["region"], strict=True))
    ]
    fitted = fit("city -> region", columns=columns)
    (coding,) = [each for each in fitted.codings if each.name == "region"]
    assert coding.support == pytest.approx(1 - columns["city"].count("c2") / ROWS)


def test_a_column_may_follow_from_several_others() -> None:
    assert described(fit("city, size ->> region", "not ...")) == {"city, size -> region"}


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("citty -> region", r"no column 'citty' that is learned, did you mean 'city'\? @ relations\[0\]"),
        ("city = size + 1", "'city' is categorical: only numbers and date-times can be computed with"),
        (
            "size = postcode",
            r"holds in 0.0% of the rows.* 900 rows break it \(of the training rows, 1, 2, 3, 4, 5, ...\)",
        ),
        ("size ->> postcode", "'size ->> postcode' cannot be encoded"),
    ],
)
def test_a_wrong_statement_is_refused_and_says_why(statement: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        fit(statement)


def test_all_wrong_statements_are_reported_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        fit("x -> region", "city -> region", "city -> y")
    assert len(caught.value.problems) == 2


def test_statements_cannot_contradict_each_other() -> None:
    with pytest.raises(ConfigError, match="another statement already says"):
        fit("city -> region", "size ->> region")
    with pytest.raises(ConfigError, match="would follow from itself"):
        fit("city -> region", "region ->> city")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"relations": ["gross = "]}, "statement 1: character 9"),
        ({"relations": "all"}, "relations"),
        ({"relations": ["a = b"], "transforms": ["keys", "quantize"]}, "need the transform 'relations'"),
    ],
)
def test_the_configuration_is_checked_before_a_run(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config(values=values)


def test_statements_can_be_set_on_the_command_line() -> None:
    assert load_config(overrides=['relations=["a = b + c", "not d -> ..."]']).relations == ("a = b + c", "not d -> ...")
