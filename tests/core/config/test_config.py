from pathlib import Path

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from rowsmith.components import ComponentRef
from rowsmith.config import (
    AUTO,
    DataConfig,
    GenerationConfig,
    PluginsConfig,
    RunConfig,
    TimeSeriesConfig,
    TrainingConfig,
    load_config,
    parse_duration,
    to_mapping,
    to_yaml,
)
from rowsmith.errors import ConfigError

DOCUMENTED = """\
data: {source: people.csv, group_training_examples_by: null, order_training_examples_by: null, \
holdout: 0.05, max_holdout: 2000, types: {}}
time_series: {is_timeseries: false, timestamp_column: null, timestamp_format: null, \
timestamp_interval_seconds: null, start_timestamp: null, stop_timestamp: null}
transforms: auto                 # or a list: [quantize, {name: protect-rare, options: {k: 5}}]
assembler: auto                  # tabular | grouped | sequential | a plugin's
model: {name: scratch, options: {}}
training: {max_time: 120s, max_steps: null, validation_ratio: 0.02, data_fraction: 1.0, \
checkpoint_every: 15.0}
backend: transformers            # vllm | remote | timeseries | a plugin's
processor: auto
stopping: patience
generation: {num_records: 1000, num_groups: null, temperature: 1.0, top_p: 1.0, patience: 3, \
invalid_fraction_threshold: 0.8, constrained: true}
evaluation: auto
plugins: {require: [], disable: []}
seed: 0
"""


@pytest.fixture
def write(tmp_path):
    def write_file(text: str) -> Path:
        path = tmp_path / "run.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write_file


def problems(*args, **kwargs):
    with pytest.raises(ConfigError) as caught:
        load_config(*args, **kwargs)
    return list(caught.value.problems)


def test_the_documented_configuration_is_the_default(write):
    assert load_config(write(DOCUMENTED)) == evolve(RunConfig(), data=DataConfig(source="people.csv"))
    assert load_config() == RunConfig()
    assert load_config(write("")) == RunConfig()


def test_components_have_a_short_and_two_long_forms(write):
    config = load_config(
        write("""
transforms: [quantize, {name: protect-rare, options: {k: 5}}]
assembler: {factory: "mylib.mod:build"}
stopping: {name: any-of, options: {policies: [patience, {name: time-limit, options: {seconds: 9}}]}}
evaluation: []
""")
    )
    assert config.transforms == (ComponentRef(name="quantize"), ComponentRef(name="protect-rare", options={"k": 5}))
    assert config.assembler == ComponentRef(factory="mylib.mod:build")
    assert isinstance(config.stopping, ComponentRef)
    assert config.stopping.options["policies"][0] == "patience"
    assert config.evaluation == ()
    assert config.processor == AUTO


def test_all_problems_are_reported_with_path_and_line(write):
    path = write("""\
data:
  source: [a]
  group_training_examples_by: no
  hold_out: 1
generation:
  temperature: -1
  top_p: 0
  num_records: 0
trainig: {}
assembler: 3
backend: auto
training: {max_time: soon, validation_ratio: .nan}
""")
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert str(caught.value) == (
        f"11 problems in {path}:\n"
        "  expected a duration such as 120, '120s', '2m' or '1h', got 'soon' @ training.max_time (line 12)\n"
        "  unknown option 'trainig', did you mean 'training'? (line 9)\n"
        "  unknown option 'hold_out', did you mean 'holdout'? @ data (line 4)\n"
        "  expected text, got a list @ data.source (line 2)\n"
        "  expected text or a list, got false; unquoted yes, no, on, off, true and false are not text: put the word in"
        " quotes @ data.group_training_examples_by (line 3)\n"
        "  expected auto or a component's name, or a mapping with name and options, got 3 @ assembler (line 10)\n"
        "  must be a finite number, got nan @ training.validation_ratio (line 12)\n"
        "  'auto' is not possible here; write the name of a component @ backend (line 11)\n"
        "  must be at least 1, got 0 @ generation.num_records (line 8)\n"
        "  must be at least 0, got -1.0 @ generation.temperature (line 6)\n"
        "  must be at least 0.0001, got 0.0 @ generation.top_p (line 7)"
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("generation: {top_p: 1.5}", "must be at most 1, got 1.5 @ generation.top_p (line 1)"),
        ("generation: {temperature: .inf}", "must be a finite number, got inf @ generation.temperature (line 1)"),
        ("generation: {invalid_fraction_threshold: 2}", "must be at most 1"),
        ("generation: {patience: 0}", "must be at least 1"),
        ("generation: {constrained: 1}", "expected true or false, got 1"),
        ("training: {max_time: 0}", "must be above 0"),
        ("training: {max_time: 9e999s}", "expected a duration"),
        ("training: {max_time: true}", "expected a number, got true"),
        ("training: {max_steps: 0}", "must be at least 1"),
        ("training: {max_steps: 1.5}", "expected an integer, got 1.5"),
        ("training: {validation_ratio: 1}", "must be below 1"),
        ("training: {data_fraction: 0}", "must be above 0"),
        ("data: {holdout: 1.5}", "a share must be below 1, got 1.5; write a number of rows without a point"),
        ("data: {holdout: -1}", "must be at least 0"),
        ("data: {holdout: 5%}", "expected a share, a number of rows or the name of a file, got '5%'"),
        ("data: {holdout: true}", "expected a number or an integer or text, got true"),
        ("data: {max_holdout: -1}", "must be at least 0"),
        ("data: {types: {a: integr}}", "unknown column type for 'a': 'integr'; the types are integer, decimal"),
        ("data: {types: {no: text}}", "expected text as a key, got false; unquoted yes, no"),
        ("data: {source: ''}", "cannot be empty"),
        ("data: people.csv", "expected a mapping, got text 'people.csv' @ data"),
        ("time_series: {timestamp_interval_seconds: 0}", "must be above 0"),
        ("transforms: quantize", "expected auto or a list, got text 'quantize'"),
        ("transforms: [auto]", "'auto' is not possible here; write the name of a component @ transforms[0] (line 1)"),
        ("model: {name: x, option: {}}", "unknown option 'option', did you mean 'options'? @ model (line 1)"),
        ("plugins: {require: ['>1']}", "expected a requirement such as"),
        ("seed: -1", "must be at least 0"),
        ("seed: 012", "expected an integer, got text '012'"),
        ("seed: 1:30", "expected an integer, got text '1:30'"),
        ("- a", "expected sections such as 'data:' and 'training:' at the top level"),
        ("a: &x 1", "not valid YAML: anchors and aliases are not allowed (line 1, column 4)"),
        ("a: *x", "not valid YAML: anchors and aliases are not allowed (line 1, column 4)"),
        ("a: !!python/object/apply:os.system [ls]", "not valid YAML: the tag 'tag:yaml.org,2002:python/object"),
        ("a: !x 1", "not valid YAML: the tag '!x' is not allowed"),
        ("a: " + "[" * 100, "not valid YAML: nested more than 20 deep"),
        ("seed: 1\nseed: 2", "the key 'seed' is given twice (line 2)"),
        ("data: {source: a, source: b}", "the key 'source' is given twice (line 1)"),
        ("[1]: 2", "a key must be text (line 1)"),
        ("a: [1", "not valid YAML: "),
        ("a: 1\n---\nb: 2", "not valid YAML: "),
        ("seed: \x01", "not valid YAML: special characters are not allowed"),
        ("seed: " + "9" * 5000, "the configuration cannot be read: "),
        ("<<: {seed: 1}", "unknown option '<<'"),
    ],
)
def test_each_problem_is_explained(write, text, problem):
    [found] = problems(write(text))
    assert found.startswith(problem)


def test_files_that_cannot_be_read_are_config_errors(tmp_path):
    assert problems(tmp_path / "none.yaml") == ["the file cannot be read: No such file or directory"]
    assert problems(tmp_path) == ["the file cannot be read: Is a directory"]
    (tmp_path / "latin.yaml").write_bytes("data: {source: é.csv}".encode("latin-1"))
    assert problems(tmp_path / "latin.yaml")[0].startswith("the file cannot be read: ")


def test_what_yaml_1_1_would_twist_stays_text(write):
    path = write(
        "data: {source: 2024-01-01, types: {12:30: text, 1e: text, 012: text, 1:30: 'text'}}\n"
        "training: {data_fraction: 5e-1, max_time: 1e3}"
    )
    config = load_config(path)
    assert config.data.source == "2024-01-01"
    assert config.data.types == {"12:30": "text", "1e": "text", "012": "text", "1:30": "text"}
    assert config.training.data_fraction == 0.5
    assert config.training.max_time == 1000


def test_a_byte_order_mark_is_no_part_of_the_file(tmp_path):
    (tmp_path / "run.yaml").write_bytes(b"\xef\xbb\xbfseed: 3")
    assert load_config(tmp_path / "run.yaml").seed == 3


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("120s", 120), ("2m", 120), ("1h", 3600), ("0.5h", 1800), (120, 120), (1.5, 1.5), (None, None)],
)
def test_durations(written, seconds):
    assert parse_duration(written) == seconds
    assert load_config(values={"training": {"max_time": written}}).training.max_time == seconds


@pytest.mark.parametrize("written", ["", "s", "120", "-1s", "1 s", "1d", "1.2.3s", "nans", "٣s", "1_0s"])
def test_what_is_no_duration(written):
    assert "expected a duration" in problems(values={"training": {"max_time": written}})[0]


def test_overrides_win_over_values_and_values_over_the_file(write):
    path = write("seed: 1\ndata: {source: a, max_holdout: 7}\nbackend: {name: mine, options: {x: 1}}")
    config = load_config(
        path,
        ["seed=3", "generation.top_p=0.5", 'data.types."a.b"=text', "backend.options.y=no", "transforms=[keys]"],
        {"seed": 2, "data": {"source": "b"}, "model": "other"},
    )
    assert (config.seed, config.data.source, config.data.max_holdout) == (3, "b", 7)
    assert config.generation.top_p == 0.5
    assert config.data.types == {"a.b": "text"}
    assert config.backend == ComponentRef(name="mine", options={"x": 1, "y": False})
    assert config.model == ComponentRef(name="other")
    assert config.transforms == (ComponentRef(name="keys"),)


def test_a_component_given_by_value_does_not_keep_the_options_of_the_file(write):
    path = write("backend: {name: mine, options: {x: 1}}")
    assert load_config(path, values={"backend": "other"}).backend == ComponentRef(name="other")


def test_options_may_be_set_without_naming_the_default_component():
    assert load_config(overrides=["model.options.width=3"]).model == ComponentRef(name="scratch", options={"width": 3})
    assert load_config(overrides=["training.max_time=null"]).training.max_time is None
    assert load_config(overrides=["data.source=a=b"]).data.source == "a=b"
    assert load_config(overrides=["data.source="]).data.source is None


@pytest.mark.parametrize(
    ("override", "problem"),
    [
        ("seed", "expected a setting such as 'generation.top_p=0.9'"),
        ("=1", "expected a setting such as"),
        ("", "expected a setting such as"),
        ("a..b=1", "expected a setting such as"),
        ('"a=1', "expected a setting such as"),
        ("seed.x=1", "'seed' holds a list or a number, not settings"),
        ("data.source=a: b", "put the value in quotes"),
        ("data.source=[", "not valid YAML"),
        ("genration.top_p=1", "unknown option 'genration', did you mean 'generation'?"),
        ("generation.topp=1", "unknown option 'topp', did you mean 'top_p'? @ generation"),
    ],
)
def test_overrides_that_do_not_fit(override, problem):
    assert problems(overrides=[override])[0].startswith(problem)


def test_a_value_that_yaml_cannot_read_is_shown_in_quotes():
    advice = "put the value in quotes: --set 'data.source=\"a: b: c\"'"
    assert problems(overrides=["data.source=a: b: c"])[-1].startswith(advice)
    assert load_config(overrides=['data.source="a: b: c"']).data.source == "a: b: c"


@pytest.mark.parametrize("text", ["%Y%m%d", '"%Y%m%d"', "'%Y%m%d'"])
def test_text_that_begins_as_no_value_does_needs_no_quotes(text):
    assert load_config(overrides=[f"time_series.timestamp_format={text}"]).time_series.timestamp_format == "%Y%m%d"


@pytest.mark.parametrize("text", ["@home.csv", "*.csv", "&x", "!x", "`a: b`", "%d: #1"])
def test_such_text_is_taken_as_it_is(text):
    assert load_config(overrides=[f"data.source={text}"]).data.source == text


def test_a_line_is_only_given_for_what_the_file_says(write):
    path = write("generation:\n  top_p: 0.5\n  patience: 0")
    assert problems(path, ["generation.top_p=7"]) == [
        "must be at most 1, got 7.0 @ generation.top_p",
        "must be at least 1, got 0 @ generation.patience (line 3)",
    ]


TEXT = st.text(min_size=1)
NAMES = TEXT.filter(lambda text: text.strip() and text != "auto")
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
PLAIN = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3), max_leaves=5
)
REFS = st.builds(ComponentRef, name=NAMES, options=st.dictionaries(st.text(), PLAIN, max_size=3)) | st.builds(
    ComponentRef, factory=st.just("a.b:c"), options=st.dictionaries(st.text(), PLAIN, max_size=2)
)
AUTO_OR_LIST = st.just(AUTO) | st.lists(REFS, max_size=3).map(tuple)
POSITIVE = st.floats(0, 1000, exclude_min=True)
CONFIGS = st.builds(
    RunConfig,
    data=st.builds(
        DataConfig,
        source=st.none() | TEXT,
        group_training_examples_by=st.none() | TEXT | st.lists(TEXT, min_size=1, unique=True).map(tuple),
        holdout=st.floats(0, 0.99) | st.integers(0, 10**9) | st.just("rows.csv"),
        types=st.dictionaries(st.text(), st.sampled_from(["integer", "text"])),
    ),
    time_series=st.builds(
        TimeSeriesConfig,
        is_timeseries=st.booleans(),
        timestamp_interval_seconds=st.integers(1, 10**9),
        start_timestamp=st.none() | st.text() | st.integers(-(2**63), 2**63 - 1),
    ),
    transforms=AUTO_OR_LIST,
    assembler=st.just(AUTO) | REFS,
    model=REFS,
    training=st.builds(
        TrainingConfig,
        max_time=st.none() | POSITIVE,
        max_steps=st.none() | st.integers(1, 10**9),
        data_fraction=POSITIVE,
    ),
    generation=st.builds(GenerationConfig, num_records=st.integers(1, 10**9), top_p=st.floats(0.0001, 1)),
    evaluation=AUTO_OR_LIST,
    plugins=st.builds(PluginsConfig, disable=st.lists(st.text(), max_size=2).map(tuple)),
    seed=st.integers(0, 2**64 - 1),
)


@given(CONFIGS)
def test_a_configuration_survives_its_own_yaml(tmp_path_factory, config):
    path = tmp_path_factory.getbasetemp() / "round_trip.yaml"
    path.write_bytes(to_yaml(config).encode())
    assert load_config(path) == config
    assert load_config(values=to_mapping(config)) == config


def test_a_group_by_is_one_name_or_several():
    one, several = (load_config(overrides=[f"data.group_training_examples_by={text}"]) for text in ("a", "[a, b]"))
    assert (one.data.group_columns, several.data.group_columns) == (("a",), ("a", "b"))
    assert (RunConfig().data.group_columns, RunConfig().grouped, one.grouped) == ((), False, True)


def test_the_time_column_orders_a_series_and_the_order_column_other_groups():
    series = {"is_timeseries": True, "timestamp_column": "t"}
    assert load_config(values={"time_series": series}).order_column == "t"
    data = {"group_training_examples_by": "g", "order_training_examples_by": "o"}
    assert load_config(values={"data": data, "time_series": {"timestamp_column": "t"}}).order_column == "o"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "data: {order_training_examples_by: t}",
            "only rows of a group are ordered; set data.group_training_examples_by",
        ),
        (
            "data: {group_training_examples_by: [g, t], order_training_examples_by: t}",
            "'t' groups the rows as well; name different columns @ data.order_training_examples_by (line 1)",
        ),
        ("generation: {num_groups: 5}", "the table has no groups; set data.group_training_examples_by, or"),
        (
            "time_series: {is_timeseries: true}",
            "a time series needs time_series.timestamp_column; without such a column",
        ),
        (
            "time_series: {is_timeseries: true, timestamp_column: t}\ndata: {order_training_examples_by: u}",
            "a time series is ordered by its time column; name that as time_series.timestamp_column alone",
        ),
        (
            "time_series: {is_timeseries: true, timestamp_column: t}\ndata: {group_training_examples_by: t}",
            "'t' groups the rows as well; name different columns @ time_series.timestamp_column (line 1)",
        ),
        (
            "data: {group_training_examples_by: g}\nassembler: tabular",
            "'tabular' makes an example of every row, so that nothing is learned of what follows what in a group; "
            "take auto, grouped or sequential @ assembler (line 2)",
        ),
        (
            "time_series: {is_timeseries: true, timestamp_column: t}\nassembler: {name: 'tabular:tabular'}",
            "'tabular:tabular' makes an example of every row",
        ),
        ("data: {group_training_examples_by: []}", "the list is empty; name a column, or write null"),
        ("data: {group_training_examples_by: [a, '']}", "cannot be empty"),
        ("data: {group_training_examples_by: [a, b, a]}", "'a' is named more than once; name each column once"),
    ],
)
def test_settings_that_need_or_contradict_each_other(write, text, problem):
    assert any(problem in found for found in problems(write(text)))


def test_contradictions_are_reported_with_everything_else():
    found = problems(overrides=["data.order_training_examples_by=t", "seed=-1", "generation.num_groups=0"])
    assert len(found) == 4


KEYS = st.sampled_from([*to_mapping(RunConfig()), *to_mapping(RunConfig())["data"], "name", "options", "factory"])
HOSTILE = st.recursive(
    SCALARS | st.binary() | st.floats() | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS | st.text() | st.integers(), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(KEYS | st.text(), HOSTILE, max_size=5))
def test_hostile_values_give_config_errors_alone(values):
    try:
        assert isinstance(load_config(values=values), RunConfig)
    except ConfigError as exc:
        assert exc.problems


YAML_LIKE = st.lists(
    st.sampled_from([*to_mapping(RunConfig()), ": ", "- ", "\n", "  ", "{", "}", "[", "]", "&a ", "*a", "!!set", "? "])
    | st.text(max_size=3)
).map("".join)


@given(YAML_LIKE | st.text())
def test_hostile_text_gives_config_errors_alone(tmp_path_factory, text):
    path = tmp_path_factory.getbasetemp() / "hostile.yaml"
    path.write_bytes(text.encode("utf-8", "replace"))
    try:
        assert isinstance(load_config(path), RunConfig)
    except ConfigError as exc:
        assert exc.problems


@given(st.lists(YAML_LIKE | st.builds("{}={}".format, KEYS, YAML_LIKE), max_size=3))
def test_hostile_overrides_give_config_errors_alone(overrides):
    try:
        assert isinstance(load_config(overrides=overrides), RunConfig)
    except ConfigError as exc:
        assert exc.problems
