"""A small trained model with its table, and models of the same tokens whose answers are known."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rowsmith.evaluation import Evaluator, ExecutionSpec, InferenceJob, ModelTables
from rowsmith.table import read_table
from rowsmith.table.table import Table

from ...core.evaluation.conftest import trained_run

__all__ = ["trained_run"]

torch = pytest.importorskip("torch")

NAMES = (
    "code-length",
    "value-accuracy",
    "completion",
    "choice",
    "membership",
    "extraction",
    "exposure",
    "nearest-string",
)


@pytest.fixture(scope="session")
def table(trained_run: Path) -> Table:
    """60 rows of people."""
    return read_table(str(trained_run.parent / "table.csv"))


@pytest.fixture(scope="session")
def tables(table: Table) -> ModelTables:
    """32 rows for training and 28 held out; copies of training rows as synthetic ones."""
    return ModelTables(
        train=table.take(np.arange(32)),
        holdout=table.take(np.arange(32, 60)),
        synthetic=table.take(np.arange(32)),
        canaries=table.take(np.arange(4)),
    )


@pytest.fixture(scope="session")
def evaluator(trained_run: Path, tables: ModelTables) -> Evaluator[Any]:
    """All bundled evaluations on the trained model."""
    torch.set_num_threads(1)
    spec = ExecutionSpec(root=trained_run.parent, name="bundled", evaluations=NAMES, tables=tables)
    return Evaluator.from_checkpoint("run", spec)[0]


@pytest.fixture(scope="session")
def evaluation(evaluator: Evaluator[Any]) -> Callable[[str], Any]:
    """A bundled evaluation by its name."""
    return lambda name: next(each for each in evaluator.evaluations if each.name == name)


@pytest.fixture
def uniform(evaluator: Evaluator[Any]) -> InferenceJob[None, Any]:
    """A model of the same tokens to which all of them are alike, and which is its own reference."""
    from transformers import AutoModelForCausalLM

    from rowsmith_backends.transformers.columnar_model import ColumnarLanguageModel

    class Uniform(ColumnarLanguageModel):
        def reference(self) -> Any:
            return self

    model = AutoModelForCausalLM.from_config(evaluator.model.model.config)
    with torch.no_grad():
        model.get_output_embeddings().weight.zero_()
    return job_of(evaluator, model, Uniform)


@pytest.fixture(scope="session")
def memorising(evaluator: Evaluator[Any], tables: ModelTables) -> InferenceJob[None, Any]:
    """A model of the same tokens that was trained on the 32 rows, and nothing else, for 200 steps."""
    from rowsmith_plugins.evaluations.record_lines import record_lines

    lines, _ = record_lines(bundle_of(evaluator), tables.train)
    return memorised(evaluator, [[line.text] for line in lines])


def memorised(evaluator: Evaluator[Any], sequences: list[list[str]]) -> InferenceJob[None, Any]:
    """A model of an evaluator's tokens that was trained on some sequences of records, and nothing else."""
    from transformers import AutoModelForCausalLM, LlamaConfig

    from rowsmith_backends.transformers.columnar_model import ColumnarLanguageModel

    before = evaluator.model.model.config
    config = LlamaConfig(
        vocab_size=before.vocab_size,
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        intermediate_size=128,
        max_position_embeddings=before.max_position_embeddings,
    )
    encode = evaluator.encoding.encode_batch
    ids = [[1, *(token for record in encode(texts) for token in record), 2] for texts in sequences]
    longest = max(map(len, ids))
    inputs = torch.tensor([[*each, *[0] * (longest - len(each))] for each in ids])
    labels = torch.tensor([[*each, *[-100] * (longest - len(each))] for each in ids])
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = AutoModelForCausalLM.from_config(config)
        optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
        for _ in range(200):
            optimizer.zero_grad()
            model(input_ids=inputs, labels=labels).loss.backward()
            optimizer.step()
    return job_of(evaluator, model, ColumnarLanguageModel)


def bundle_of(evaluator: Evaluator[Any]) -> Any:
    return evaluator.evaluations[0].bundle


def job_of(evaluator: Evaluator[Any], model: Any, kind: type) -> InferenceJob[None, Any]:
    own = evaluator.model
    wrapped = kind(
        model.eval(),
        own.encoding.tokenizer,
        own.vocabulary,
        None,
        prefix_ids=own.prefix_ids,
        block_size=own.block_size,
    )
    # Without an engine it can only be asked for log-probabilities.
    wrapped.capabilities = own.capabilities - {"generate"}
    return InferenceJob(wrapped, None, evaluator.spec)
