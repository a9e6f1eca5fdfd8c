"""Groups sampled together beside the obvious way: one group, the whole text again at every token, the clock by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from transformers import AutoModelForCausalLM  # noqa: E402

from rowsmith.assembly import TrainingExamples, as_dataset  # noqa: E402
from rowsmith.assembly.ranges import ExampleRanges  # noqa: E402
from rowsmith.config import TrainingConfig  # noqa: E402
from rowsmith.generation.requests import CompletionRequest, FinishReason, SamplingParams  # noqa: E402
from rowsmith.model import TrainingJob  # noqa: E402
from rowsmith.randomness.draws import Draws  # noqa: E402
from rowsmith.randomness.seeds import Seeds  # noqa: E402
from rowsmith_backends.scratch.decoding.automaton import build_automaton  # noqa: E402
from rowsmith_backends.scratch.decoding.engine import ColumnarEngine  # noqa: E402
from rowsmith_backends.scratch.model import ScratchModel  # noqa: E402

from ...shared.grouped_tables import group_table, level_table, record_groups  # noqa: E402
from ...shared.scratch_training import OPTIONS, Trained  # noqa: E402


def _train(directory, columns, schema):
    groups = record_groups(columns)
    model = ScratchModel(OPTIONS, groups=groups)
    prepared = model.prepare(columns, schema).with_groups(groups)
    starts = np.flatnonzero(np.diff(groups, prepend=-1))
    ranges = ExampleRanges(
        store=prepared.token_store,
        order=np.arange(len(groups)),
        starts=starts,
        stops=np.append(starts[1:], len(groups)),
        prompt_ids=(),
        bos_id=1,
        eos_id=2,
        pad_id=0,
    )
    job = TrainingJob(
        examples=TrainingExamples(as_dataset(ranges), {}),
        training=TrainingConfig(max_steps=40),
        seeds=Seeds(0),
        directory=directory,
    )
    return Trained(prepared, model.train(prepared, job), directory)


@pytest.fixture(scope="module")
def closed(tmp_path_factory):
    return _train(tmp_path_factory.mktemp("closed") / "model", *group_table(200)[:2])


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    return _train(tmp_path_factory.mktemp("opened") / "model", *group_table(200, text=True)[:2])


@pytest.fixture(scope="module")
def levelled(tmp_path_factory):
    return _train(tmp_path_factory.mktemp("levelled") / "model", *level_table(200))


def _sample(trained, requests, seed=0, **options):
    engine = ColumnarEngine(trained.directory, trained.prepared.vocabulary, dtype="float32", **options)
    engine.start()
    blocks = list(engine.complete(requests, SamplingParams(seed=seed)))
    return {
        int(i): (block.row_ids(row), block.finish_reasons[row], block.text(row))
        for block in blocks
        for row, i in enumerate(block.request_ids)
    }


class _Clock:
    """Where the newest record stands, read off the tokens one by one."""

    def __init__(self, vocabulary):
        self.fields = {item.name: item for item in vocabulary.fields}
        self.last = max(int(value) for value in self.fields["at"].values if value is not None)
        self.place = None

    def only(self, state, automaton):
        if state == automaton.entries[1] and self.place is not None:
            item = self.fields["at"]
            values = [int(value) for value in item.values[: item.generated]]
            return item.start + min(range(len(values)), key=lambda n: (abs(values[n] - self.place), values[n]))
        return None

    def too_far(self, token):
        item = self.fields["at~step"]
        value = item.values[token - item.start] if item.start <= token < item.stop else None
        return value is not None and self.place is not None and self.place + int(value) > self.last

    def move(self, token):
        steps, places = self.fields["at~step"], self.fields["at"]
        if steps.start <= token < steps.stop and steps.values[token - steps.start] is not None:
            self.place = None if self.place is None else self.place + int(steps.values[token - steps.start])
        elif places.start <= token < places.stop and self.place is None:
            self.place = int(places.values[token - places.start])


def _slowly(trained, request, prompt, seed):
    vocabulary = trained.prepared.vocabulary
    model = AutoModelForCausalLM.from_pretrained(trained.directory, attn_implementation="eager").eval()
    automaton, clock = build_automaton(vocabulary), _Clock(vocabulary)
    draws = Draws(seed, np.array([request]))
    ids = list(prompt)
    state = automaton.start
    if len(prompt) > 1 and prompt[1] != vocabulary.fields[0].start + vocabulary.fields[0].values.index(None):
        state = automaton.end
    for token in prompt[1:]:
        state = int(automaton.next_state[state, token])
        clock.move(token)
    left = model.config.max_position_embeddings - len(prompt)
    while state != automaton.done:
        with torch.no_grad():
            logits = model(torch.tensor([ids])).logits[0, -1].double()
        only = clock.only(state, automaton)
        for token, following in enumerate(automaton.next_state[state]):
            refused = following < 0 or automaton.to_done[following] >= left
            if refused or (only is not None and token != only) or (state == automaton.end and clock.too_far(token)):
                logits[token] = -torch.inf
        chances = torch.softmax(logits, -1)
        position = len(ids) - len(prompt)
        token = int((chances.cumsum(-1) <= draws.uniform(position)[0] * chances.sum()).sum())
        ids.append(token)
        state, left = int(automaton.next_state[state, token]), left - 1
        clock.move(token)
    return ids[len(prompt) :]


@pytest.mark.parametrize("kind", ["closed", "opened"])
def test_a_batch_of_groups_is_what_one_group_after_another_is(kind, request):
    trained = request.getfixturevalue(kind)
    together = _sample(trained, [CompletionRequest(number, (1,)) for number in range(30)], seed=3)
    for number in (0, 11, 29):
        assert together[number][0] == _slowly(trained, number, (1,), 3)


@pytest.mark.parametrize("kind", ["closed", "opened"])
def test_groups_are_the_same_however_few_nodes_a_step_takes(kind, request):
    requests = [CompletionRequest(number, (1,)) for number in range(40)]
    trained = request.getfixturevalue(kind)
    assert _sample(trained, requests) == _sample(trained, requests, batch_size=7)


@pytest.mark.parametrize("kind", ["closed", "opened"])
def test_every_group_is_whole_in_order_and_within_the_last_place(kind, request):
    trained = request.getfixturevalue(kind)
    lengths = []
    item = trained.prepared.vocabulary.fields[1]
    landmarks = np.array([int(value) for value in item.values[: item.generated]])
    for ids, reason, text in _sample(trained, [CompletionRequest(number, (1,)) for number in range(100)]).values():
        records = [json.loads(line) for line in text.splitlines()]
        steps = [record["at~step"] for record in records]
        assert reason is FinishReason.STOP and ids[-1] == 2
        assert steps[0] is None and None not in steps[1:]
        places = [int(record["at"]) for record in records]
        reached = np.cumsum([places[0], *map(int, steps[1:])])
        known = np.isin(reached, landmarks)
        assert np.array(places)[known].tolist() == reached[known].tolist() and reached[-1] <= landmarks.max()
        lengths.append(len(records))
    assert len(set(lengths)) > 3


def test_windows_of_one_length_are_gone_on_from_together(closed):
    store, vocabulary = closed.prepared.token_store, closed.prepared.vocabulary
    first = [row for row in range(len(store) - 2) if (store.groups[row : row + 2] == store.groups[row]).all()][:6]
    windows = [(1, *store.record(row).tolist(), *store.record(row + 1).tolist()) for row in first]
    requests = [CompletionRequest(number, window) for number, window in enumerate(windows)]
    together = _sample(closed, requests, seed=8)
    for number in (0, 3, 5):
        assert together[number][0] == _slowly(closed, number, windows[number], 8)
    one = _sample(closed, [CompletionRequest(n, window, max_records=1) for n, window in enumerate(windows)], seed=8)
    fields = len(vocabulary.fields)
    for number, (ids, reason, _) in one.items():
        assert reason is FinishReason.STOP
        assert ids == together[number][0][:fields] or (ids == [2] and together[number][0] == [2])


def test_a_record_can_be_begun_for_the_model(closed):
    vocabulary = closed.prepared.vocabulary
    steps = vocabulary.fields[0]
    window = (1, *closed.prepared.token_store.record(0).tolist())
    forced = (steps.start + steps.values.index("2"),)
    found = _sample(closed, [CompletionRequest(n, window, forced_ids=forced, max_records=1) for n in range(5)])
    assert all(ids[0] == forced[0] and len(ids) == 3 for ids, _, _ in found.values())


def test_the_level_of_a_value_follows_from_its_changes_and_stays_in_range(levelled):
    found, missing = _sample(levelled, [CompletionRequest(number, (1,)) for number in range(150)], seed=2), 0
    for _, reason, text in found.values():
        assert reason is FinishReason.STOP
        records = [json.loads(line) for line in text.splitlines()]
        if records[0]["value"] is None:  # a little trained model may leave the first one out
            continue
        value = int(records[0]["value"])
        for record in records[1:]:
            change = record["value~change"]
            missing += change is None
            value += int(change or 0)
            assert 0 <= value <= 8
            wanted = None if change is None else min(range(0, 9, 2), key=lambda level: (abs(level - value), level))
            assert record["value"] == (None if wanted is None else str(wanted))
    assert missing
