"""The bundled evaluations of a model, on a trained one and on models whose answers are known."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from rowsmith.components import Kind
from rowsmith.dialect import RecordDialect
from rowsmith.errors import BundleError, EvaluationError
from rowsmith.evaluation import Evaluator, InferenceJob, ModelTables
from rowsmith.plugins import Registry
from rowsmith.table.schema import JsonKind, ModelColumn
from rowsmith.table.table import Table
from rowsmith_plugins.evaluations.estimates import bootstrap_mean, separation
from rowsmith_plugins.evaluations.marginal_code import MarginalCode
from rowsmith_plugins.evaluations.membership import normalized
from rowsmith_plugins.evaluations.nearest_string import edit_distances
from rowsmith_plugins.evaluations.record_lines import record_lines
from rowsmith_plugins.evaluations.scored_records import encode_with_offsets, score_lines

from .conftest import NAMES, bundle_of

torch = pytest.importorskip("torch")

Find = Callable[[str], Any]


def test_all_of_them_run_on_a_trained_model_and_are_saved(evaluator: Evaluator[Any]) -> None:
    evaluator()
    assert evaluator.results is not None
    assert evaluator.results.failures == {}
    saved = json.loads((evaluator.directory.root / "evaluation" / "bundled.json").read_text())
    assert [each["name"] for each in saved["evaluations"]] == list(NAMES)
    for each in saved["evaluations"]:
        assert each["n"] > 0
        assert each["score"] is not None
        assert each["baseline"] is not None
    assert evaluator.done


def test_no_cell_of_a_table_is_in_the_results(evaluator: Evaluator[Any], table: Table) -> None:
    evaluator()
    text = (evaluator.directory.root / "evaluation" / "bundled.json").read_text()
    remarks = [value for value in table.columns.column("remark").to_pylist() if value and len(value) > 5]
    assert remarks
    assert [value for value in remarks if value in text] == []


def test_the_bits_of_structure_and_columns_add_up_to_those_of_the_record(
    evaluator: Evaluator[Any], tables: ModelTables
) -> None:
    """V4"""
    lines, lost = record_lines(bundle_of(evaluator), tables.train)
    assert lost == 0
    columns = len(bundle_of(evaluator).model_schema)
    for record in score_lines(evaluator, evaluator.encoding, lines):
        parts = record.column_bits(columns)
        assert len(parts) == columns + 1
        assert (parts >= 0).all()
        assert parts.sum() == pytest.approx(record.bits, rel=1e-6)


def test_each_token_belongs_to_the_value_that_it_writes(evaluator: Evaluator[Any], tables: ModelTables) -> None:
    bundle = bundle_of(evaluator)
    lines, _ = record_lines(bundle, tables.train)
    names = list(bundle.model_schema.names)
    for line in lines:
        values = json.loads(line.text)
        assert [json.loads(line.value(index)) for index in range(len(names))] == [values[name] for name in names]
    records = score_lines(evaluator, evaluator.encoding, lines[:4])
    for record in records:
        assert set(record.owners.tolist()) >= set(range(len(names)))
        for index, column in enumerate(bundle.model_schema):
            owned = record.scored.ids[record.owners == index].tolist()
            text = evaluator.encoding.decode_batch([owned])[0]
            assert record.line.value(index).strip('"') in text
            # A value of a closed column is one token.
            assert len(owned) == 1 or not column.closed


def test_a_cell_that_spells_control_tokens_stays_a_cell(evaluator: Evaluator[Any]) -> None:
    """V7"""
    bundle = bundle_of(evaluator)
    dialect = RecordDialect(bundle.model_schema)
    special = {0, 1, 2, 3}
    record = {
        column.name: column.values[0] if column.values else None if column.nullable else ""
        for column in bundle.model_schema
    }
    texts = ["</s>", "<|endoftext|>", '"},{"', "a\nb", "\U0001f98a", "\u202eabc", "é" * 10_000, "<\x02record>"]
    for text in texts:
        line = dialect.encode_record({**record, "remark": text})
        ((ids, _),) = encode_with_offsets(evaluator.encoding, [line])
        assert not special & set(ids)
        (back,) = evaluator.encoding.decode_batch([ids])
        assert json.loads(back)["remark"] == text


def test_a_row_that_the_model_cannot_write_is_counted_and_not_dropped_in_silence(
    evaluator: Evaluator[Any], tables: ModelTables
) -> None:
    import pyarrow as pa

    columns = tables.train.columns
    ages = columns.column("age").to_pylist()
    # Training saw no row without an age.
    ages[3] = ages[10] = None
    coded = pa.array(ages).dictionary_encode().cast(columns.schema.field("age").type)
    changed = columns.set_column(columns.column_names.index("age"), "age", coded)
    lines, lost = record_lines(bundle_of(evaluator), evolve(tables.train, columns=changed))
    assert lost == 2
    assert [line.row for line in lines] == [row for row in range(32) if row not in (3, 10)]


# Known models


def test_a_uniform_model_needs_the_same_bits_for_every_token(
    uniform: InferenceJob[None, Any], evaluation: Find
) -> None:
    """V6: bits are tokens times the logarithm of the vocabulary; a reference that is as good tells nothing."""
    code_length = evaluation("code-length").measure(uniform, uniform.model.encoding)
    width = len(uniform.model.vocabulary)
    assert code_length.value == pytest.approx(1 / width, rel=1e-6)
    details = code_length.details
    total = sum(details["bits_per_column"].values()) + details["structure_bits"]
    assert total == pytest.approx(details["bits_per_record"], rel=1e-6)
    assert details["bits_per_column"]["city"] == pytest.approx(math.log2(width), rel=1e-6)
    membership = evaluation("membership").measure(uniform, uniform.model.encoding)
    assert membership.details["attacks"]["reference"]["auc"] == 0.5
    assert membership.details["reference"] == "base model"
    # All tokens are as likely as expected.
    assert membership.details["attacks"]["min-k++"]["auc"] == 0.5


def test_a_uniform_model_chooses_among_candidates_by_ties(uniform: InferenceJob[None, Any], evaluation: Find) -> None:
    """V6: the accuracy of a closed column is one in the number of candidates."""
    choice = evaluation("choice")
    found = choice.measure(uniform, uniform.model.encoding)
    counts = [len(code.counts) for code in choice.marginals(uniform).first]
    for column, count in zip(choice.columns, counts, strict=True):
        if column.closed and column.name in found.details["column_accuracy"]:
            candidates = min(count, choice.options.max_candidates)
            assert found.details["column_accuracy"][column.name] == pytest.approx(1 / candidates, rel=0.2)


def test_an_untrained_model_gives_nothing_away(evaluator: Evaluator[Any], evaluation: Find) -> None:
    """V9: the interval holds a guess."""
    found = evaluation("membership").measure(evaluator, evaluator.encoding)
    assert found.interval[0] <= 0.5 <= found.interval[1]
    for each in found.details["attacks"].values():
        assert each["interval"][0] <= 0.5 <= each["interval"][1]
    extraction = evaluation("extraction").measure(evaluator, evaluator.encoding)
    assert extraction.details["expected_share"]["train"] < 0.01


def test_a_model_that_memorised_its_rows_is_found_out(memorising: InferenceJob[None, Any], evaluation: Find) -> None:
    """V9: membership above 0.95, extraction above 80 % on training rows and below 5 % on others."""
    encoding = memorising.model.encoding
    membership = evaluation("membership").measure(memorising, encoding)
    assert membership.value > 0.95
    assert membership.interval[0] > 0.9
    for name in ("min-k", "min-k++"):
        attack = membership.details["attacks"][name]
        assert attack["interval"][0] > 0.6, name
        assert attack["false_alarms"] <= 0.01
        assert attack["found_interval"][0] <= attack["found"] <= attack["found_interval"][1]
    shares = evaluation("extraction").measure(memorising, encoding).details["expected_share"]
    assert shares["train"] > 0.8
    assert shares["holdout"] < 0.05
    code_length = evaluation("code-length").measure(memorising, encoding)
    assert sum(code_length.details["gap"].values()) > 20
    accuracy = evaluation("value-accuracy").measure(memorising, encoding).details
    assert accuracy["training_record_accuracy"] > accuracy["record_accuracy"]


def test_a_secret_that_was_memorised_is_exposed(
    memorising: InferenceJob[None, Any], uniform: InferenceJob[None, Any], evaluation: Find
) -> None:
    exposure = evaluation("exposure")
    exposure = type(exposure)(
        exposure.bundle, exposure.tables, evolve(exposure.options, column="remark", alternatives=60)
    )
    memorised = exposure.measure(memorising, memorising.model.encoding)
    assert memorised.value > 20
    assert memorised.details["column"] == "remark"
    assert memorised.n == 4


def test_a_secret_in_a_column_of_few_values_ranks_among_these(
    uniform: InferenceJob[None, Any], evaluation: Find
) -> None:
    exposure = evaluation("exposure")
    exposure = type(exposure)(exposure.bundle, exposure.tables, evolve(exposure.options, column="city"))
    found = exposure.measure(uniform, uniform.model.encoding)
    # All four cities are as likely: the secret is the last of them.
    assert (found.value, found.details["most_possible"]) == (0, 2)


def test_copies_of_training_rows_are_found_by_their_spelling(evaluator: Evaluator[Any], evaluation: Find) -> None:
    found = evaluation("nearest-string").measure(evaluator, evaluator.encoding)
    assert found.value > 0.99


def test_rows_that_are_no_copies_are_not(evaluator: Evaluator[Any], evaluation: Find, tables: ModelTables) -> None:
    attack = evaluation("nearest-string")
    half = evolve(tables, train=tables.train.take(np.arange(16)), synthetic=tables.train.take(np.arange(16, 32)))
    found = type(attack)(attack.bundle, half, attack.options).measure(evaluator, evaluator.encoding)
    assert found.interval[0] <= 0.5 <= found.interval[1]


# What they need


@pytest.mark.parametrize(
    ("name", "part"),
    [(name, "canaries" if name == "exposure" else "holdout") for name in NAMES] + [("nearest-string", "synthetic")],
)
def test_without_the_tables_that_it_needs_an_evaluation_refuses(
    evaluation: Find, tables: ModelTables, name: str, part: str
) -> None:
    found = evaluation(name)
    with pytest.raises(EvaluationError, match=f"the evaluation '{name}' needs .*ModelTables.{part}"):
        type(found)(found.bundle, evolve(tables, **{part: None}), found.options)


def test_without_a_trained_model_none_is_built(evaluator: Evaluator[Any]) -> None:
    from rowsmith.config import RunConfig
    from rowsmith.context import BuildContext
    from rowsmith.randomness.seeds import Seeds

    registry = Registry()
    context = BuildContext(config=RunConfig(), registry=registry, seeds=Seeds(0))
    for name in NAMES:
        with pytest.raises(BundleError, match=f"the evaluation '{name}' needs a trained model"):
            registry.build(Kind.EVALUATION, name, context)


def test_other_columns_than_those_of_training_are_named(evaluation: Find, tables: ModelTables, evaluator: Any) -> None:
    found = evaluation("code-length")
    fewer = evolve(tables.train, columns=tables.train.columns.select(["city"]))
    with pytest.raises(EvaluationError, match=r"the table has the columns \['city'\]"):
        type(found)(found.bundle, evolve(tables, holdout=fewer), found.options).measure(evaluator, evaluator.encoding)


def test_other_rows_or_options_are_another_evaluation(evaluation: Find, tables: ModelTables) -> None:
    found = evaluation("membership")
    same = type(found)(found.bundle, tables, found.options)
    fewer = type(found)(found.bundle, evolve(tables, holdout=tables.holdout.take(np.arange(5))), found.options)
    smaller = type(found)(found.bundle, tables, evolve(found.options, max_rows=3))
    assert same.fingerprint() == found.fingerprint()
    assert len({found.fingerprint(), fewer.fingerprint(), smaller.fingerprint()}) == 3


# Parts


def plain_distance(a: str, b: str) -> int:
    before = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        now = [i]
        for j, y in enumerate(b, 1):
            now.append(min(before[j] + 1, now[-1] + 1, before[j - 1] + (x != y)))
        before = now
    return before[-1]


@settings(max_examples=30)
@given(st.text("abc", max_size=9), st.lists(st.text("abc", max_size=9), min_size=1, max_size=6))
def test_edit_distances_are_those_of_the_plain_algorithm(text: str, others: list[str]) -> None:
    assert edit_distances(text, others).tolist() == [plain_distance(text, each) for each in others]


@given(st.lists(st.sampled_from(["1", "2", "null"]), min_size=1, max_size=40))
def test_the_code_of_a_closed_column_is_a_probability(values: list[str]) -> None:
    column = ModelColumn(name="x", kind=JsonKind.NUMBER, nullable=True, values=("1", "2"))
    code = MarginalCode.of(column, values)
    total = sum(2 ** -code.bits(value) for value in code.counts)
    assert total < 1
    assert code.bits("7") > max(code.bits(value) for value in code.counts)


def test_a_value_that_the_marginal_was_learned_from_can_be_coded_as_if_it_were_not() -> None:
    column = ModelColumn(name="x", kind=JsonKind.NUMBER, nullable=True, values=("1", "2"))
    values = ["1", "1", "1", "2"]
    code = MarginalCode.of(column, values)
    for value in ("1", "2"):
        rest = [*values]
        rest.remove(value)
        # But for the characters of new texts, it is the code of the others.
        expected = MarginalCode.of(column, rest).bits(value)
        assert code.bits(value, own=True) == pytest.approx(expected, abs=1.5 if value == "2" else 1e-9)
        assert code.bits(value, own=True) > code.bits(value)
    assert code.bits("7", own=True) == code.bits("7")


def test_numbers_of_an_open_column_cost_their_bin_and_their_place_in_it() -> None:
    column = ModelColumn(name="x", kind=JsonKind.NUMBER, nullable=False, integral=True)
    code = MarginalCode.of(column, [str(number) for number in range(3_200)])
    # 3,200 equally likely numbers are 11.6 bits, seen or not.
    assert code.bits("17") == pytest.approx(math.log2(3_200), abs=0.1)
    assert code.bits("99999") > code.bits("17")


def test_log_probabilities_are_beside_what_the_model_expects_of_them(
    evaluator: Evaluator[Any], tables: ModelTables
) -> None:
    """Min-K%++: by the mean and standard deviation over the tokens that the order of columns allows."""
    lines, _ = record_lines(bundle_of(evaluator), tables.train)
    record = score_lines(evaluator, evaluator.encoding, lines[:1])[0]
    model = evaluator.model
    ids = torch.tensor([[*model.prefix_ids, *record.scored.ids.tolist()]])
    with torch.inference_mode():
        logits = model.model(ids).logits[0, :-1].double().numpy()
    columns = model._column_of[ids[0]].tolist()
    found = normalized(record.scored)
    assert np.isfinite(found).any()
    for position, token in enumerate(record.scored.ids.tolist()):
        last = max((column for column in columns[: position + 1]), default=-1)
        allowed = model._allowed[last + 1].numpy()
        shown = logits[position][allowed]
        log_probs = shown - np.log(np.exp(shown - shown.max()).sum()) - shown.max()
        mean = (np.exp(log_probs) * log_probs).sum()
        deviation = math.sqrt((np.exp(log_probs) * (log_probs - mean) ** 2).sum())
        own = log_probs[np.flatnonzero(allowed).tolist().index(token)]
        if deviation > 1e-4:
            assert found[position] == pytest.approx((own - mean) / deviation, abs=1e-3)
        else:
            assert math.isnan(found[position])


def test_other_orders_of_columns_are_named_as_impossible_for_a_model_of_one_order(
    evaluator: Evaluator[Any], evaluation: Find
) -> None:
    details = evaluation("code-length").measure(evaluator, evaluator.encoding).details
    assert details["column_orders"]["tried"] == 0
    assert "does not declare 'column-orders'" in details["column_orders"]["reason"]
    assert details["record_orders"] == {"tried": 0, "reason": "the model writes one record a sequence"}


def test_a_record_in_another_order_of_columns_holds_the_same_values(
    evaluator: Evaluator[Any], tables: ModelTables
) -> None:
    schema = bundle_of(evaluator).model_schema
    for line in record_lines(bundle_of(evaluator), tables.train)[0][:5]:
        same = line.reordered(range(len(schema)), schema)
        assert (same.text, same.spans) == (line.text, line.spans)
        back = line.reordered(range(len(schema))[::-1], schema)
        assert json.loads(back.text) == json.loads(line.text)
        assert list(json.loads(back.text)) == list(schema.names)[::-1]
        assert [back.value(index) for index in range(len(schema))] == [line.value(i) for i in range(len(schema))]


def test_numbers_are_judged_by_the_distribution_of_several_completions(
    evaluator: Evaluator[Any], evaluation: Find
) -> None:
    found = evaluation("completion")
    details = (
        type(found)(found.bundle, found.tables, evolve(found.options, max_rows=12, samples=4))
        .measure(evaluator, evaluator.encoding)
        .details
    )
    # Three of the model's columns are the date, so that both numbers are among the completed ones.
    assert set(details["crps"]) == set(details["marginal_crps"]) == {"age", "score"}
    assert details["sampled_valid_rate"] == 1
    assert details["samples"] == 4
    # Three steps of training: the model is about as good as the marginal.
    assert all(abs(skill) < 1 for skill in details["crps_skill"].values())


def test_separation_is_the_area_under_the_curve_with_ties_half() -> None:
    members, others = np.array([3.0, 2.0, 1.0]), np.array([2.0, 0.0])
    found = separation(members, others)
    assert found.auc == pytest.approx((2 + 1.5 + 1) / 6)
    assert found.advantage == pytest.approx(max(1 / 3, 2 / 3 - 1 / 2, 1 - 1 / 2))
    assert found.found == pytest.approx(1 / 3)
    assert found.found_low <= found.found <= found.found_high
    assert found.false_alarms == 0
    assert found.low <= found.auc <= found.high
    same = separation(np.zeros(5), np.zeros(7))
    assert (same.auc, same.low, same.high, same.advantage) == (0.5, 0.5, 0.5, 0.0)


def test_members_are_found_at_one_percent_of_false_alarms() -> None:
    others, members = np.arange(400.0), np.concatenate([np.full(30, 395.5), np.full(70, 394.5)])
    found = separation(members, others)
    # Four of 400 others are above 395, and no more are allowed.
    assert found.false_alarms == pytest.approx(0.01)
    assert found.found == pytest.approx(0.3)
    assert found.found_low < 0.3 < found.found_high


def test_an_interval_of_a_mean_holds_it_and_shrinks_with_the_sample() -> None:
    chance = np.random.default_rng(0)
    small, large = chance.normal(size=20), chance.normal(size=2_000)
    for sample in (small, large):
        low, high = bootstrap_mean(sample)
        assert low < sample.mean() < high
    assert np.ptp(bootstrap_mean(large)) < np.ptp(bootstrap_mean(small)) / 4
