import enum
from collections.abc import Mapping
from typing import Any, Literal

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowsmith.components import ComponentRef
from rowsmith.config.conversion import structure, unstructure
from rowsmith.errors import ConfigError


class Colour(enum.Enum):
    RED = "red"
    GREEN = "green"


@attrs.frozen(kw_only=True)
class Inner:
    size: int = attrs.field(default=1, validator=attrs.validators.ge(1))


@attrs.frozen(kw_only=True)
class Options:
    count: int = attrs.field(default=1, validator=attrs.validators.ge(1))
    rate: float = attrs.field(default=0.5, validator=attrs.validators.lt(1))
    name: str = "x"
    flag: bool = False
    columns: tuple[str, ...] = ()
    weights: Mapping[str, float] = attrs.field(factory=dict)
    inner: Inner = attrs.field(factory=Inner)
    many: tuple[Inner, ...] = ()
    colour: Colour = Colour.RED
    mode: Literal["fast", "slow"] = "fast"
    limit: int | None = None
    either: int | str = 0
    part: ComponentRef | None = None
    parts: tuple[ComponentRef, ...] = ()
    anything: Any = None


@attrs.frozen(kw_only=True)
class Required:
    low: int
    high: int

    def __attrs_post_init__(self):
        if self.low > self.high:
            raise ValueError("low is above high")


def problems(value, cls=Options, path="backend.options"):
    with pytest.raises(ConfigError) as caught:
        structure(value, cls, path)
    return list(caught.value.problems)


SCALARS = [
    ({"count": "12"}, "expected an integer, got text '12'; write the number without quotes @ backend.options.count"),
    ({"count": 3.9}, "expected an integer, got 3.9 @ backend.options.count"),
    ({"count": True}, "expected an integer, got true @ backend.options.count"),
    (
        {"flag": "false"},
        "expected true or false, got text 'false'; write true or false without quotes @ backend.options.flag",
    ),
    ({"flag": 0}, "expected true or false, got 0 @ backend.options.flag"),
    ({"name": 12}, "expected text, got 12; put it in quotes if it is a name @ backend.options.name"),
    ({"name": None}, "expected text, got null @ backend.options.name"),
    ({"rate": 10**400}, "the number is too large @ backend.options.rate"),
    ({"columns": "abc"}, "expected a list, got text 'abc' @ backend.options.columns"),
    ({"columns": ["a", 1]}, "expected text, got 1; put it in quotes if it is a name @ backend.options.columns[1]"),
    ({"weights": []}, "expected a mapping, got a list @ backend.options.weights"),
    ({"weights": {"a": "b"}}, "expected a number, got text 'b' @ backend.options.weights.a"),
    ({"inner": {"sise": 2}}, "unknown option 'sise', did you mean 'size'? @ backend.options.inner"),
    ({"many": [{}, {"size": 0}]}, "'size' must be >= 1: 0 @ backend.options.many[1].size"),
    (
        {"colour": "gren"},
        "expected one of red, green, got text 'gren', did you mean 'green'? @ backend.options.colour",
    ),
    ({"mode": 1}, "expected one of fast, slow, got 1 @ backend.options.mode"),
    ({"limit": "x"}, "expected an integer, got text 'x' @ backend.options.limit"),
    (
        {"either": 1.5},
        "expected an integer or text, got 1.5; put it in quotes if it is a name @ backend.options.either",
    ),
    ({"part": {"name": "a", "factory": "b:c"}}, "a component needs either a name or a factory @ backend.options.part"),
    ({"part": {}}, "a component needs either a name or a factory @ backend.options.part"),
    ({"part": " "}, "a component's name cannot be empty @ backend.options.part"),
    ({"part": {"factory": "x"}}, "expected 'package.module:name', got text 'x' @ backend.options.part.factory"),
    (
        {"parts": [1]},
        "expected a component's name, or a mapping with name and options, got 1 @ backend.options.parts[0]",
    ),
    ([], "expected a mapping, got a list @ backend.options"),
    ({1: 2}, "expected text as a key, got 1; put it in quotes if it is a name @ backend.options"),
]


@pytest.mark.parametrize(("value", "problem"), SCALARS)
def test_nothing_is_coerced(value, problem):
    assert problems(value) == [problem]


def test_all_problems_are_reported_at_once():
    value = {"count": 0, "rate": 2.0, "max_num_seq": 1, "colum": [], "inner": {"size": "1"}, "columns": [1, 2]}
    assert problems(value) == [
        "unknown option 'max_num_seq' @ backend.options",
        "unknown option 'colum', did you mean 'columns'? @ backend.options",
        "expected text, got 1; put it in quotes if it is a name @ backend.options.columns[0]",
        "expected text, got 2; put it in quotes if it is a name @ backend.options.columns[1]",
        "expected an integer, got text '1'; write the number without quotes @ backend.options.inner.size",
        "'count' must be >= 1: 0 @ backend.options.count",
        "'rate' must be < 1: 2.0 @ backend.options.rate",
    ]


def test_what_is_missing_and_what_only_the_whole_object_knows_is_reported():
    assert problems({}, Required) == ["required @ backend.options.low", "required @ backend.options.high"]
    assert problems({"low": "x"}, Required)[1] == "required @ backend.options.high"
    assert problems({"low": 2, "high": 1}, Required) == ["low is above high @ backend.options"]


def test_the_message_counts_the_problems_and_names_the_source():
    with pytest.raises(ConfigError) as caught:
        structure({"count": None, "flag": None}, Options, source="run.yaml")
    assert str(caught.value) == (
        "2 problems in run.yaml:\n  expected an integer, got null @ count\n  expected true or false, got null @ flag"
    )


def test_long_values_are_cut():
    [problem] = problems({"count": "x" * 1000})
    assert len(problem) < 150


def test_an_integer_is_a_number_and_references_have_a_short_form():
    made = structure({"rate": 0, "part": "any-of", "parts": [{"factory": "a.b:c", "options": {"k": [1]}}]}, Options)
    assert type(made.rate) is float
    assert made.part == ComponentRef(name="any-of")
    assert made.parts == (ComponentRef(factory="a.b:c", options={"k": [1]}),)


NAMES = st.text(min_size=1).filter(lambda text: text.strip() and text != "auto")
REFS = st.builds(ComponentRef, name=NAMES, options=st.dictionaries(st.text(), st.integers()))
OPTIONS = st.builds(
    Options,
    count=st.integers(1),
    rate=st.floats(max_value=0.99, allow_nan=False),
    columns=st.lists(st.text()).map(tuple),
    weights=st.dictionaries(st.text(), st.floats(allow_nan=False)),
    many=st.lists(st.builds(Inner, size=st.integers(1))).map(tuple),
    colour=st.sampled_from(Colour),
    mode=st.sampled_from(["fast", "slow"]),
    limit=st.none() | st.integers(),
    either=st.integers() | st.text(),
    part=st.none() | REFS,
    parts=st.lists(REFS, max_size=3).map(tuple),
)


@given(OPTIONS)
def test_objects_survive_the_way_to_plain_data_and_back(options):
    assert structure(unstructure(options), Options) == options


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner),
    max_leaves=10,
)


@given(st.dictionaries(st.sampled_from([field.name for field in attrs.fields(Options)]) | st.text(), PLAIN) | PLAIN)
def test_whatever_comes_in_only_config_errors_come_out(value):
    try:
        made = structure(value, Options, "x")
    except ConfigError as exc:
        assert exc.problems
    else:
        assert isinstance(made, Options)
