"""Time series with an engine that somebody else wrote: plain text of an ordinary ``model.generate``, chosen by name."""

from __future__ import annotations

import json

import pandas as pd
import pytest

pytest.importorskip("torch")

pytestmark = pytest.mark.slow

PLAIN = '''
from rowsmith import Component, hookimpl
from rowsmith.components import ComponentRef, Kind
from rowsmith.generation import CompletionBlock, Engine, EngineBackend


class PlainEngine(Engine):
    """A checkpoint, its tokenizer, and nothing that knows of records."""

    def __init__(self, directory):
        self.directory = directory

    def start(self):
        from transformers import AutoModelForCausalLM, AutoTokenizer

        self.model = AutoModelForCausalLM.from_pretrained(self.directory).eval()
        self.tokenizer = AutoTokenizer.from_pretrained(self.directory)

    def stop(self):
        self.model = self.tokenizer = None

    def count_tokens(self, text):
        return len(self.tokenizer(text, add_special_tokens=False).input_ids)

    def complete(self, requests, params):
        import numpy as np
        import torch

        for request in requests:
            torch.manual_seed((params.seed + request.request_id) % 2**63)
            prompt = torch.tensor([request.prompt_ids])
            made = self.model.generate(
                prompt,
                attention_mask=torch.ones_like(prompt),
                do_sample=True,
                top_k=0,
                temperature=params.temperature,
                max_new_tokens=request.max_tokens,
                pad_token_id=self.tokenizer.pad_token_id,
            )[0, prompt.shape[1] :]
            yield CompletionBlock(
                request_ids=np.array([request.request_id]),
                lengths=np.array([len(made)], dtype=np.int32),
                finish_reasons=["stop" if made[-1] == self.tokenizer.eos_token_id else "length"],
                texts=[self.tokenizer.decode(made, skip_special_tokens=True)],
            )


def build(context, options):
    return EngineBackend(
        context.config,
        context.metadata,
        engine=PlainEngine(context.bundle.model_directory),
        processor=context.resolve(Kind.PROCESSOR, ComponentRef(name="tabular")),
        prompt_ids=[context.metadata.prompt_config.bos_token_id],
        columns=context.bundle.table_schema.names,
    )


@hookimpl
def rowsmith_backends():
    yield Component(name="plain-generate", factory="rowsmith_plain:build", summary="model.generate, and no more")
'''


@pytest.fixture
def readings(tmp_path):
    """Ten sensors, read for six to eight days each."""
    rows = ["sensor,day,level"]
    for sensor in range(10):
        days = pd.date_range(f"2020-01-{1 + sensor:02d}", periods=6 + sensor % 3)
        rows += [f"s{sensor},{day:%m/%d/%Y},{'low' if day.weekday() < 5 else 'high'}" for day in days]
    (tmp_path / "readings.csv").write_text("\n".join(rows) + "\n")
    return "readings.csv"


def test_the_same_series_from_our_engine_and_from_a_stranger_s_by_name_alone(environment, distribution, readings):
    """Promise F3."""
    plain = distribution("rowsmith-plain", "plain", PLAIN)
    settings = [
        "data.group_training_examples_by=sensor",
        "data.holdout=0",
        "time_series.is_timeseries=true",
        "time_series.timestamp_column=day",
        "training.max_steps=150",
    ]
    chosen = [argument for value in settings for argument in ("--set", value)]
    done = environment.rowsmith("train", readings, "--run-dir", "run", *chosen)
    assert done.returncode == 0, done.stderr

    for backend in ("transformers", "plain-generate"):
        output = f"{backend}.csv"
        arguments = ["--run-dir", "run", "-o", output, "--json", "--set", f"backend={backend}"]
        done = environment.rowsmith("generate", *arguments, sites=(plain,))
        assert done.returncode == 0, done.stdout + done.stderr
        figures = json.loads(done.stdout)["generation"]
        assert figures["all_groups_succeeded"]
        made = pd.read_csv(environment.folder / output)
        assert list(made.columns) == ["sensor", "day", "level"]
        days = pd.to_datetime(made["day"], format="%m/%d/%Y").groupby(made["sensor"], sort=False)
        assert (days.diff().dropna() == pd.Timedelta(days=1)).all()
        ranges = sorted((str(part.iloc[0].date()), len(part)) for _, part in days)
        assert ranges == sorted((f"2020-01-{1 + sensor:02d}", 6 + sensor % 3) for sensor in range(10))
        assert set(made["level"]) <= {"low", "high"}
