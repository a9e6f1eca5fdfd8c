"""Stop conditions and the bundled policies."""

import json

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowsmith.components import ComponentRef, Kind
from rowsmith.config import GenerationConfig, RunConfig
from rowsmith.config.conversion import structure
from rowsmith.context import BuildContext
from rowsmith.errors import ConfigError, ParameterError, PluginContractError
from rowsmith.generation import GenerationStatus, GenerationStopCondition, Progress, Stop, StoppingPolicy
from rowsmith.generation.stopping import PatiencePolicy
from rowsmith.randomness.seeds import Seeds
from rowsmith_plugins.stopping import combined, patience, time_limit
from rowsmith_plugins.stopping.options import CombinedOptions, PatienceOptions, TimeLimitOptions

SHARES = st.lists(st.floats(0, 1), max_size=12)


def progress(metric=0.0, elapsed=0.0):
    return Progress(
        num_batches=1,
        num_prompts=10,
        num_valid_records=1,
        num_invalid_records=1,
        target_num_records=100,
        batch_invalid_fraction=metric,
        running_stopping_metric=metric,
        elapsed_seconds=elapsed,
    )


class At(StoppingPolicy):
    """Says stop at some of its calls, and counts them."""

    def __init__(self, answers, status=GenerationStatus.INCOMPLETE, name="at"):
        self.answers, self.status, self.name, self.calls = list(answers), status, name, 0

    def decide(self, progress):
        self.calls += 1
        return Stop(self.status, self.name) if self.answers[self.calls - 1] else None


class Resolving:
    """Stands for the registry: finds the bundled policies by name."""

    def build(self, kind, ref, context):
        assert kind is Kind.STOPPING
        ref = ComponentRef(name=ref) if isinstance(ref, str) else ref
        build, options = {
            "patience": (patience.build, PatienceOptions),
            "time-limit": (time_limit.build, TimeLimitOptions),
            "any-of": (combined.build_any_of, CombinedOptions),
            "all-of": (combined.build_all_of, CombinedOptions),
            "other": (lambda context, options: object(), PatienceOptions),
        }[ref.name]
        return build(context, structure(dict(ref.options), options))


def resolve(name, **options):
    config = RunConfig(generation=GenerationConfig(patience=7, invalid_fraction_threshold=0.3))
    context = BuildContext(config=config, registry=Resolving(), seeds=Seeds(0))
    return context.resolve(Kind.STOPPING, ComponentRef(name=name, options=options))


# The condition


def test_condition_needs_consecutive_values_at_or_above_the_threshold():
    """Promise A15."""
    condition = GenerationStopCondition(0.5, 2)
    assert [condition.has_been_reached(value) for value in (0.5, 0.4, 0.6, 0.5, 0.9, 0.1, 0.5)] == [
        False,
        False,
        False,
        True,
        True,
        False,
        False,
    ]


def test_condition_keeps_the_last_value():
    condition = GenerationStopCondition(0.5, 2)
    assert condition.last_value is None
    condition.has_been_reached(0.25)
    assert condition.last_value == 0.25


@given(values=SHARES, threshold=st.floats(0, 1), wanted=st.integers(1, 4))
def test_condition_agrees_with_its_definition(values, threshold, wanted):
    condition = GenerationStopCondition(threshold, wanted)
    for count in range(1, len(values) + 1):
        tail = values[max(0, count - wanted) : count]
        expected = len(tail) == wanted and all(value >= threshold for value in tail)
        assert condition.has_been_reached(values[count - 1]) == expected


# Policies


def test_progress_and_stop_are_frozen():
    for thing, name in ((progress(), "num_batches"), (Stop(GenerationStatus.INCOMPLETE, "x"), "reason")):
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            setattr(thing, name, 1)


@pytest.mark.parametrize("status", [GenerationStatus.COMPLETE, GenerationStatus.IN_PROGRESS])
def test_no_policy_can_call_a_job_complete_or_unfinished(status):
    with pytest.raises(ParameterError):
        Stop(status, "x")


def test_patience_policy_stops_with_its_own_status():
    policy = PatiencePolicy(0.5, 2)
    assert policy.decide(progress(0.9)) is None
    assert policy.decide(progress(0.9)).status is GenerationStatus.STOP_METRIC_REACHED


def test_patience_policy_defaults():
    condition = PatiencePolicy().condition
    assert (condition.invalid_fraction_threshold, condition.patience) == (0.8, 3)


@pytest.mark.parametrize(
    ("options", "expected"),
    [({}, (0.3, 7)), ({"patience": 2}, (0.3, 2)), ({"invalid_fraction_threshold": 0.9, "patience": 1}, (0.9, 1))],
)
def test_patience_options_fall_back_to_the_configuration(options, expected):
    condition = resolve("patience", **options).condition
    assert (condition.invalid_fraction_threshold, condition.patience) == expected


@pytest.mark.parametrize(("seconds", "expected"), [(90, 90), (1.5, 1.5), ("90s", 90), ("10m", 600), ("1.5h", 5400)])
def test_time_limit_takes_seconds_or_words(seconds, expected):
    policy = resolve("time-limit", seconds=seconds)
    assert policy.decide(progress(elapsed=expected - 0.1)) is None
    assert policy.decide(progress(elapsed=expected)).status is GenerationStatus.INCOMPLETE


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("time-limit", {"seconds": "soon"}),
        ("time-limit", {"seconds": 0}),
        ("time-limit", {"seconds": True}),
        ("patience", {"patience": 0}),
        ("patience", {"invalid_fraction_threshold": 2.0}),
        ("patience", {"patients": 3}),
        ("any-of", {"policies": []}),
        ("any-of", {"policies": [{"nam": "patience"}]}),
    ],
)
def test_wrong_options_are_refused(name, options):
    with pytest.raises(ConfigError):
        resolve(name, **options)


def test_policies_are_combined_by_name_and_nested():
    policy = resolve(
        "any-of",
        policies=[
            {"name": "time-limit", "options": {"seconds": "1m"}},
            {
                "name": "all-of",
                "options": {"policies": ["patience", {"name": "time-limit", "options": {"seconds": 30}}]},
            },
        ],
    )
    assert policy.patient
    assert policy.condition.patience == 7
    assert policy.decide(progress(0.0, elapsed=31)) is None
    assert "60 seconds" in policy.decide(progress(0.0, elapsed=60)).reason


@pytest.mark.parametrize("name", ["any-of", "all-of"])
def test_a_combination_needs_policies_and_takes_nothing_else(name):
    with pytest.raises(ConfigError, match="at least one"):
        resolve(name)
    with pytest.raises(ParameterError, match="at least one"):
        {"any-of": combined.AnyOfPolicy, "all-of": combined.AllOfPolicy}[name]([])
    with pytest.raises(PluginContractError, match="object"):
        resolve(name, policies=["other"])


ANSWERS = st.integers(1, 3).flatmap(
    lambda width: st.lists(st.lists(st.booleans(), min_size=5, max_size=5), min_size=width, max_size=width)
)


@given(answers=ANSWERS)
def test_any_of_stops_when_the_first_of_them_does(answers):
    policies = [At(row, name=str(place)) for place, row in enumerate(answers)]
    policy = combined.AnyOfPolicy(policies)
    for turn in range(5):
        stop = policy.decide(progress())
        stopped = [str(place) for place, row in enumerate(answers) if any(row[: turn + 1])]
        assert (stop.reason if stop else None) == (stopped[0] if stopped else None)
    assert all(member.calls == 5 for member in policies)


@given(answers=ANSWERS)
def test_all_of_stops_when_each_of_them_has(answers):
    policies = [At(row, name=str(place)) for place, row in enumerate(answers)]
    policy = combined.AllOfPolicy(policies)
    for turn in range(5):
        assert (policy.decide(progress()) is not None) == all(any(row[: turn + 1]) for row in answers)
    assert all(member.calls == 5 for member in policies)


@given(values=SHARES.filter(bool), threshold=st.floats(0, 1), wanted=st.integers(1, 3))
def test_a_combination_of_one_is_that_one(values, threshold, wanted):
    alone = PatiencePolicy(threshold, wanted)
    any_of = combined.AnyOfPolicy([PatiencePolicy(threshold, wanted)])
    all_of = combined.AllOfPolicy([PatiencePolicy(threshold, wanted)])
    for value in values:
        told = progress(value)
        assert alone.decide(told) == any_of.decide(told) == all_of.decide(told)


def test_all_of_keeps_a_common_status_and_names_every_reason():
    metric = GenerationStatus.STOP_METRIC_REACHED
    same = combined.AllOfPolicy([At([True], metric, "one"), At([True], metric, "two")]).decide(progress())
    assert (same.status, same.reason) == (metric, "one; two")
    mixed = combined.AllOfPolicy([At([True], metric), At([True])]).decide(progress())
    assert mixed.status is GenerationStatus.INCOMPLETE


@given(told=st.lists(st.tuples(st.floats(0, 1), st.floats(0, 5)), min_size=1, max_size=10))
def test_policies_once_stopped_stay_stopped_and_give_a_reason_in_words(told):
    elapsed = 0.0
    policies = [
        PatiencePolicy(0.5, 2),
        time_limit.TimeLimitPolicy(10),
        combined.AllOfPolicy([PatiencePolicy(0.5, 1), time_limit.TimeLimitPolicy(5)]),
    ]
    stopped = [False] * len(policies)
    for metric, seconds in told:
        elapsed += seconds
        for place, policy in enumerate(policies):
            stop = policy.decide(progress(metric, elapsed))
            assert stop is not None or not stopped[place]
            stopped[place] = stop is not None
            assert stop is None or json.loads(json.dumps(stop.reason)) == stop.reason
