"""The scratch model trained for real, a few steps at a time."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.optim.lr_scheduler import LambdaLR
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaForCausalLM

from rowsmith.assembly import TrainingExamples
from rowsmith.config import TrainingConfig
from rowsmith.config.conversion import structure
from rowsmith.errors import ConfigError, DataError, PluginContractError, TrainingError
from rowsmith.model import TrainingJob
from rowsmith.randomness.seeds import Seeds
from rowsmith.table.schema import ColumnType, TableSchema
from rowsmith_backends.scratch.model import ScratchModel, size_for
from rowsmith_backends.scratch.options import ScratchOptions
from rowsmith_backends.training.examples import ListedExamples, MaskedExamples, examples_of
from rowsmith_backends.training.optimizers import CosineSchedule, joint_optimizer

from ...shared.scratch_training import OPTIONS, closed_table, examples, train
from ...shared.spelled_tables import schema, table


def test_the_checkpoint_is_an_ordinary_one(closed):
    model = AutoModelForCausalLM.from_pretrained(closed.directory)
    tokenizer = AutoTokenizer.from_pretrained(closed.directory)
    assert isinstance(model, LlamaForCausalLM)
    assert (model.config.bos_token_id, model.config.eos_token_id) == (tokenizer.bos_token_id, tokenizer.eos_token_id)
    assert tokenizer('{"a":1,"b":"odd","c":null}\n', add_special_tokens=False).input_ids == [5, 9, 13]


def test_the_report_says_what_was_done(closed):
    report = closed.report
    assert (report.steps, report.total_steps) == (120, 120)
    assert report.tokens == 120 * 32 * 5 - (120 * 32 - int(120 / np.ceil(2200 / 32) * 2200)) * 5
    assert report.validation_loss is not None
    assert report.validation_loss < np.log(len(closed.prepared.vocabulary))


def test_the_kept_weights_have_the_reported_held_out_loss(closed):
    model = AutoModelForCausalLM.from_pretrained(closed.directory)
    held = examples_of(examples(closed.prepared, 200).test, 0).batch(np.arange(200))
    with torch.no_grad():
        loss = model(torch.from_numpy(held["input_ids"]), labels=torch.from_numpy(held["labels"])).loss
    assert float(loss) == pytest.approx(closed.report.validation_loss, abs=1e-4)


def test_the_same_seed_gives_the_same_weights(tmp_path):
    first = train(closed_table(300), tmp_path / "1", max_steps=4, validation=20)
    second = train(closed_table(300), tmp_path / "2", max_steps=4, validation=20)
    weights = [(one.directory / "model.safetensors").read_bytes() for one in (first, second)]
    assert weights[0] == weights[1]


def test_small_tables_are_cross_validated(tmp_path):
    trained = train(closed_table(120), tmp_path / "model", max_steps=24)
    assert "cross-validation over 4 folds" in trained.report.stop_reason
    assert 1 <= trained.report.steps <= 24


def test_a_time_budget_becomes_steps(tmp_path):
    trained = train(closed_table(2_400), tmp_path / "model", validation=50, max_time=2.0)
    assert trained.report.total_steps > 1
    assert trained.report.seconds < 20


def test_examples_written_out_in_full_are_trained_on(closed, tmp_path):
    from datasets import Dataset

    whole = examples(closed.prepared).train[:64]
    plain = Dataset.from_dict({name: whole[name] for name in ("input_ids", "labels")})
    job = TrainingJob(
        examples=TrainingExamples(plain, {}, plain.select(range(8))),
        training=TrainingConfig(max_steps=2),
        seeds=Seeds(0),
        directory=tmp_path / "model",
    )
    assert ScratchModel(OPTIONS).train(closed.prepared, job).steps == 2


def test_examples_without_labels_are_a_breach_of_contract():
    from datasets import Dataset

    with pytest.raises(PluginContractError, match="no labels"):
        examples_of(Dataset.from_dict({"input_ids": [[1]]}), 0)


def test_listed_examples_are_padded_like_ranges(opened):
    made = examples(opened.prepared).train
    ranges, rows = examples_of(made, 0), made[:]
    listed = ListedExamples(rows["input_ids"], rows["labels"], 0)
    chosen = np.array([3, 0, 17])
    for name, array in listed.batch(chosen).items():
        assert np.array_equal(array, ranges.batch(chosen)[name])
    assert np.array_equal(listed.lengths, ranges.lengths)


def test_blanked_examples_hide_inputs_and_keep_what_is_to_be_written(opened):
    whole = examples_of(examples(opened.prepared).train, 0)
    shown = MaskedExamples(whole, 0.6, 3, seed=5)
    chosen, others = np.arange(200), np.arange(200)[::-1].copy()
    batch, plain = shown.batch(chosen), whole.batch(chosen)
    assert np.array_equal(batch["labels"], plain["labels"])
    changed = batch["input_ids"] != plain["input_ids"]
    assert set(batch["input_ids"][changed]) == {3}
    assert not changed[:, 0].any()
    assert 0.25 < changed[:, 1:].mean() < 0.35
    assert np.array_equal(shown.batch(chosen)["input_ids"], batch["input_ids"])
    assert not np.array_equal(shown.batch(others)["input_ids"][::-1], batch["input_ids"])


def test_a_table_of_many_tokens_gives_an_ordinary_checkpoint(tmp_path):
    columns = table(a=[f"value {number}" for number in range(2_100)], b=["x", "y", None] * 700)
    made = columns, schema(a=ColumnType.CATEGORICAL, b=ColumnType.CATEGORICAL)
    trained = train(made, tmp_path / "model", validation=100, max_steps=20)
    assert len(trained.prepared.vocabulary) > 2_000
    model = AutoModelForCausalLM.from_pretrained(trained.directory)
    assert type(model) is LlamaForCausalLM
    assert model.config.architectures == ["LlamaForCausalLM"]
    # Less than a token of the first column, one of the second and the end cost by chance.
    assert trained.report.validation_loss < (np.log(2_003) + np.log(3)) / 3 + 0.1


def test_a_loss_that_is_not_finite_stops_training(tmp_path):
    wild = ScratchOptions(width=32, layers=1, dtype="float32", learning_rate=10.0, weight_decay=100.0)
    model = ScratchModel(wild)
    prepared = model.prepare(*closed_table(300))
    job = TrainingJob(
        examples=examples(prepared, 20), training=TrainingConfig(max_steps=60), seeds=Seeds(0), directory=tmp_path / "m"
    )
    with pytest.raises(TrainingError, match="learning_rate"):
        model.train(prepared, job)


def test_a_table_without_columns_to_learn_is_refused():
    with pytest.raises(DataError, match="nothing to learn"):
        ScratchModel().prepare(table(a=["1"]).select([]), TableSchema(columns=()))


def test_the_joint_optimizer_restores_its_state(closed):
    def model() -> LlamaForCausalLM:
        return AutoModelForCausalLM.from_pretrained(closed.directory)

    def steps(net: LlamaForCausalLM, optimizer: torch.optim.Optimizer, count: int) -> None:
        schedule = LambdaLR(optimizer, CosineSchedule(warmup=1, total=10))
        for _ in range(count):
            net(torch.tensor([[1, 4, 8, 12]]), labels=torch.tensor([[1, 4, 8, 12]])).loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            schedule.step()

    first = model()
    before = joint_optimizer(first, lr=1e-3, matrix_lr=1e-3, weight_decay=0.1)
    steps(first, before, 3)
    second = model()
    second.load_state_dict(first.state_dict())
    after = joint_optimizer(second, lr=1e-3, matrix_lr=1e-3, weight_decay=0.1)
    after.load_state_dict(copy.deepcopy(before.state_dict()))
    steps(first, before, 2)
    steps(second, after, 2)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


def test_a_schedule_that_is_cut_short_falls_to_its_floor():
    schedule = CosineSchedule(warmup=2, total=100, floor=0.1)
    assert [schedule(step) for step in (0, 1, 2, 100, 200)] == pytest.approx([0.5, 1, 1, 0.1, 0.1])
    before = schedule(40)
    schedule.cool_down(40, 10)
    assert schedule(40) == before
    assert schedule(45) == pytest.approx((before + 0.1) / 2)
    assert schedule(50) == schedule(60) == pytest.approx(0.1)
    half = schedule(45)
    schedule.cool_down(45, 2)
    assert schedule(45) == half
    assert schedule(46) == pytest.approx((half + 0.1) / 2)
    assert schedule(47) == schedule(60) == pytest.approx(0.1)


def test_training_ends_soon_after_the_held_out_loss_stops_falling(tmp_path):
    trained = train(closed_table(400), tmp_path / "model", validation=100, max_steps=4_000)
    assert "held-out loss stopped falling" in trained.report.stop_reason
    assert trained.report.best_step <= trained.report.steps < 2_000


def test_a_budget_of_few_epochs_is_not_spent_on_cross_validation(tmp_path):
    columns = table(**{f"c{number}": ["a", "b"] * 750 for number in range(150)})
    made = columns, schema(**{f"c{number}": ColumnType.CATEGORICAL for number in range(150)})
    trained = train(made, tmp_path / "model", max_time=0.2)
    assert "cross-validation" not in trained.report.stop_reason
    assert trained.report.steps >= 1


@given(
    width=st.none() | st.integers(1, 512).map(lambda half: 2 * half),
    heads=st.none() | st.integers(1, 40),
    rows=st.sampled_from([10, 10_000]),
)
def test_sizes_that_are_not_given_fit_those_that_are(width, heads, rows):
    if width and heads:
        width = width // (2 * heads) * 2 * heads or 2 * heads
    size = size_for(rows, ScratchOptions(width=width, heads=heads))
    assert size.width % (2 * size.heads) == 0
    assert width is None or size.width == width
    assert heads is None or size.heads == heads


@pytest.mark.parametrize(
    ("options", "advice"),
    [
        ({"width": 100, "heads": 3}, "with heads 3 it must be a multiple of 6, such as 102"),
        ({"width": 33}, "with heads 1 it must be a multiple of 2, such as 34"),
    ],
)
def test_a_width_that_its_heads_do_not_divide_is_a_problem_of_the_configuration(options, advice):
    with pytest.raises(ConfigError) as caught:
        structure(options, ScratchOptions, "model.options")
    assert advice in str(caught.value)
    assert "@ model.options" in str(caught.value)
