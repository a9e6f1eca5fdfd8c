"""The bundled evaluations of a model on groups and time series: records in their group's context, groups as units."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from attrs import evolve

from rowsmith.errors import EvaluationError
from rowsmith.evaluation import Evaluator, ExecutionSpec, InferenceJob, LanguageModel, ModelTables, ScoreRequest
from rowsmith.evaluation.models.model import ScoreBatch, TokenScores
from rowsmith.table import read_table
from rowsmith.table.table import Table
from rowsmith_plugins.evaluations.completed_records import completed_groups
from rowsmith_plugins.evaluations.record_lines import RecordGroup, RecordLine
from rowsmith_plugins.evaluations.record_orders import with_columns_in
from rowsmith_plugins.evaluations.scored_records import ScoredRecord, score_lines

from ...core.evaluation.conftest import RUNS
from .conftest import NAMES, memorised

torch = pytest.importorskip("torch")

COLUMNS = {"grouped": "customer", "time-series": "sensor"}


def groups_of(table: Table, column: str) -> np.ndarray:
    """The number of each row's group, by first appearance."""
    values = table.columns.column(column).to_pylist()
    names = list(dict.fromkeys(values))
    return np.array([names.index(value) for value in values])


def more_series(path: Path) -> None:
    """Eight short series of the times and values of the three of a table, whose rows are few."""
    table, draw = pd.read_csv(path, dtype=str), np.random.default_rng(0)
    made = []
    for number in range(8):
        one = table[table["sensor"] == f"S{number % 3}"].iloc[:8].assign(sensor=f"T{number}")
        values = {name: draw.choice(table[name], len(one)) for name in ("level", "state")}
        made.append(one.assign(**values))
    pd.concat(made).to_csv(path, index=False)


@pytest.fixture(scope="session", params=[*COLUMNS])
def grouped(
    request: pytest.FixtureRequest, installed: None, tmp_path_factory: pytest.TempPathFactory
) -> Evaluator[Any]:
    """All bundled evaluations on a model of groups, and on one of series; rows are not in the order of training."""
    torch.set_num_threads(1)
    root = shutil.copytree(RUNS / request.param, tmp_path_factory.mktemp("groups") / request.param)
    if request.param == "time-series":
        more_series(root / "table.csv")
    table = read_table(str(root / "table.csv"))
    numbers = groups_of(table, COLUMNS[request.param])
    count, shuffled = numbers.max() + 1, np.random.default_rng(0).permutation(len(table))

    def part(low: int, high: int) -> Table:
        return table.take(shuffled[(numbers[shuffled] >= low) & (numbers[shuffled] < high)])

    tables = ModelTables(
        train=part(0, count // 2),
        holdout=part(count // 2, count),
        synthetic=part(0, count // 2),
        canaries=part(0, 2),
    )
    spec = ExecutionSpec(root=root, name="bundled", evaluations=NAMES, tables=tables)
    return Evaluator.from_checkpoint("run", spec)[0]


def evaluation_of(evaluator: Evaluator[Any], name: str) -> Any:
    return next(each for each in evaluator.evaluations if each.name == name)


def whole(evaluator: Evaluator[Any], part: str) -> Sequence[tuple[RecordLine, ...]]:
    """The records of all groups of a table."""
    return evaluation_of(evaluator, "membership").units(part, evaluator).units


@pytest.fixture(scope="session")
def memorising_groups(grouped: Evaluator[Any]) -> InferenceJob[None, Any]:
    """A model of the same tokens that was trained on the training groups, and nothing else."""
    return memorised(grouped, [[line.text for line in unit] for unit in whole(grouped, "train")])


def test_all_of_them_run_on_groups_and_count_groups(grouped: Evaluator[Any]) -> None:
    grouped()
    assert grouped.results is not None
    assert grouped.results.failures == {}
    found = {each.name: each for each in grouped.results.evaluations}
    assert set(found) == set(NAMES)
    groups = {part: len(whole(grouped, part)) for part in ("train", "holdout")}
    for name in NAMES:
        assert found[name].details["unit"] == "groups"
    for name in ("membership", "nearest-string"):
        assert found[name].n == min(groups.values())
        assert found[name].details["n_train"] == found[name].details["n_holdout"] == min(groups.values())
    assert found["extraction"].n == groups["train"]
    assert found["exposure"].n == 2
    details = found["code-length"].details
    parts = sum(details["bits_per_column"].values()) + details["structure_bits"]
    assert parts == pytest.approx(details["bits_per_record"], rel=1e-6)
    assert details["record_orders"]["tried"] == 0
    # Copies of the training groups.
    assert found["nearest-string"].score > 0.9


def test_records_are_scored_after_those_of_their_group(grouped: Evaluator[Any]) -> None:
    """The bits of a group are those of one sequence of all its records and their end."""
    units = whole(grouped, "holdout")
    lines = [line for unit in units for line in unit]
    scored = iter(score_lines(grouped, grouped.encoding, lines))
    for unit in units:
        records = [next(scored) for _ in unit]
        ids = [token for line in unit for token in grouped.encoding.encode(line.text)]
        (expected,) = grouped.executor.score([ScoreRequest((*ids, grouped.evaluations[0].bundle.vocabulary.eos_id))])
        found = np.concatenate([record.scored.log_probs for record in records])
        np.testing.assert_allclose(found, expected.log_probs, atol=1e-5)
        assert [len(record.owners) for record in records] == [len(record.scored.ids) for record in records]
        assert records[-1].owners[-1] == -1


def test_a_record_by_itself_has_the_score_that_it_has_in_its_group(grouped: Evaluator[Any]) -> None:
    unit = max(whole(grouped, "holdout"), key=len)
    together = score_lines(grouped, grouped.encoding, unit)
    backwards = score_lines(grouped, grouped.encoding, unit[::-1])[::-1]
    for one, other in zip(together, backwards, strict=True):
        np.testing.assert_allclose(one.scored.log_probs, other.scored.log_probs, atol=1e-5)


class Recording(LanguageModel):
    """A model that keeps what it is asked; it finds everything as likely."""

    capabilities = frozenset({"logprobs"})
    fingerprint = "recording"
    prefix_ids = (1,)

    def __init__(self, block_size: int) -> None:
        self.block_size = block_size
        self.rows: list[list[int]] = []

    def score(self, batch: ScoreBatch) -> TokenScores:
        self.rows += batch.rows()
        return TokenScores(log_probs=-np.arange(batch.ids.shape[1] - 1.0) * np.ones((len(batch.ids), 1)))


class Letters:
    """A token a character."""

    def encode_with_offsets(self, texts: Sequence[str]) -> list[tuple[list[int], list[tuple[int, int]]]]:
        return [([*map(ord, text)], [(at, at + 1) for at in range(len(text))]) for text in texts]


def of_texts(texts: Sequence[str], **about: Any) -> list[RecordLine]:
    group = RecordGroup(0, tuple(texts), **about)
    return [RecordLine(row, text, (), group, row) for row, text in enumerate(texts)]


def positions(model: Recording, lines: Sequence[RecordLine]) -> list[ScoredRecord]:
    """Scores that say how many tokens were before each."""
    return score_lines(InferenceJob(model, None, None), Letters(), lines)


@pytest.mark.parametrize("block", [12, 25, 40, 1_000])
def test_a_group_longer_than_the_block_is_scored_in_sequences_that_begin_with_a_record(block: int) -> None:
    texts = [f"{chr(97 + number)}{'-' * (number % 4)}\n" for number in range(26)]
    model = Recording(block)
    records = positions(model, of_texts(texts, end_id=2))
    assert [record.scored.count for record in records] == [*map(len, texts[:-1]), len(texts[-1]) + 1]
    for row in model.rows:
        assert len(row) <= block
        assert row[0] == 1
        assert chr(row[1]).isalpha()
    # Each is scored after at least half a block, less the record that did not fit, of those before it.
    ahead = np.cumsum([0, *map(len, texts)])
    for record, before in zip(records, ahead, strict=False):
        seen = -record.scored.log_probs[0]
        assert seen == before or seen >= (block - 1) // 2 - max(map(len, texts))
    assert (len(model.rows) == 1) == (block == 1_000)


def test_a_sequence_has_no_more_records_than_in_training() -> None:
    model = Recording(1_000)
    records = positions(model, of_texts(["ab\n"] * 20, end_id=2, most_records=6))
    assert all((len(row) - 1) // 3 <= 6 for row in model.rows)
    assert all(-record.scored.log_probs[0] >= 3 * min(number, 3) for number, record in enumerate(records))


def test_groups_that_were_memorised_are_found_out(
    grouped: Evaluator[Any], memorising_groups: InferenceJob[None, Any]
) -> None:
    """The unit of membership is the group."""
    job = memorising_groups
    encoding = job.model.encoding
    membership = evaluation_of(grouped, "membership").measure(job, encoding)
    assert membership.value > 0.9
    shares = evaluation_of(grouped, "extraction").measure(job, encoding).details["expected_share"]
    assert shares["train"] > 0.8
    assert shares["holdout"] < 0.05
    accuracy = evaluation_of(grouped, "value-accuracy").measure(job, encoding).details
    # Which group begins is a guess; all that follows is known.
    assert accuracy["training_record_accuracy"] > 2 * accuracy["record_accuracy"] + 0.3


def test_a_model_that_memorised_nothing_tells_no_group(grouped: Evaluator[Any]) -> None:
    found = evaluation_of(grouped, "membership").measure(grouped, grouped.encoding)
    assert found.interval[0] <= 0.5 <= found.interval[1]


def test_a_group_is_completed_from_the_first_half_of_its_records(grouped: Evaluator[Any]) -> None:
    units = [unit for unit in whole(grouped, "holdout") if len(unit) > 1]
    texts = ["".join(line.text for line in unit[(len(unit) + 1) // 2 :]) for unit in units]

    class Oracle:
        """Continues a prompt by what follows it."""

        def __init__(self) -> None:
            self.model = grouped.model

        def generate(self, prompts: Sequence[Sequence[int]], *, max_new_tokens: int) -> list[list[int]]:
            return [grouped.encoding.encode(text)[:max_new_tokens] for text in texts]

    class Job:
        executor = Oracle()

    made = completed_groups(Job(), grouped.encoding, units)
    assert all(each.fits and each.exact for each in made)
    texts = [text[:-1] for text in texts]
    assert not any(each.exact for each in completed_groups(Job(), grouped.encoding, units))


def test_without_the_configuration_of_its_training_nothing_says_what_a_group_is(grouped: Evaluator[Any]) -> None:
    found = evaluation_of(grouped, "code-length")
    alone = type(found)(found.bundle, found.tables, found.options)
    with pytest.raises(EvaluationError, match="no configuration says which rows form a group"):
        alone.measure(grouped, grouped.encoding)


@pytest.mark.parametrize("name", ["membership", "nearest-string"])
def test_one_group_is_not_enough_for_an_attack_on_groups(grouped: Evaluator[Any], name: str) -> None:
    found = evaluation_of(grouped, name)
    train = found.source("train")
    assert train.arranged is not None
    first = found.tables.train.take(np.sort(train.arranged.rows[train.arranged.groups == 0]))
    single = type(found)(found.bundle, evolve(found.tables, train=first), found.options, found.config)
    with pytest.raises(EvaluationError, match=rf"'{name}' compares whole groups, and there are 1 of training"):
        single.measure(grouped, grouped.encoding)


def test_no_group_has_more_than_its_share_of_the_sampled_records(grouped: Evaluator[Any]) -> None:
    found = evaluation_of(grouped, "value-accuracy")
    few = type(found)(found.bundle, found.tables, evolve(found.options, max_rows=6), found.config)
    sample = few.records("holdout", grouped)
    assert sum(sample.sizes) <= 6
    assert len(sample.units) > 1
    for unit in sample.units:
        assert [line.position for line in unit] == list(range(unit[0].position, unit[0].position + len(unit)))


def test_columns_are_reordered_in_all_records_of_a_group(grouped: Evaluator[Any]) -> None:
    schema = grouped.evaluations[0].bundle.model_schema  # type: ignore[union-attr]
    unit = max(whole(grouped, "holdout"), key=len)
    order = range(len(schema))[::-1]
    for before, after in zip(unit, with_columns_in(unit, order, schema), strict=True):
        assert after.group is not None
        assert after.group.texts[after.position] == after.text
        assert json.loads(after.text) == json.loads(before.text)
        assert list(json.loads(after.text)) == list(schema.names)[::-1]
    lines = with_columns_in(unit, range(len(schema)), schema)
    assert [line.text for line in lines] == [line.text for line in unit]
    assert all(line.follows(other) for other, line in pairwise(lines))
