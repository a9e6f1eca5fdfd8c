"""One model behind several backends gives the same scores; an adapter is compared with its base model."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rowsmith.components import ComponentRef
from rowsmith.evaluation import Evaluator, ExecutionSpec, ModelTables
from rowsmith.table import from_frame
from rowsmith_backends.scratch.decoding.engine import ColumnarEngine
from rowsmith_plugins.evaluations.record_lines import record_lines

from ...backends.remote.serving import Local, serving
from ...core.evaluation.toys import Perplexity


def test_a_server_gives_the_scores_of_the_model_in_this_process(
    evaluator: Evaluator[Any], tables: ModelTables, trained_run: Path
) -> None:
    """Log-probabilities of a prompt from a server that echoes it."""
    bundle = evaluator.evaluations[0].bundle  # type: ignore[union-attr]
    engine = ColumnarEngine(bundle.model_directory, bundle.vocabulary, dtype="float32", device="cpu")
    engine.start()
    texts = [line.text for line in record_lines(bundle, tables.train)[0][:3]]
    names = ["code-length", "membership"]
    with serving(Local(bundle=bundle, engine=engine)) as url:
        spec = ExecutionSpec(
            root=trained_run.parent,
            name="remote",
            backend=ComponentRef(name="remote", options={"url": url}),
            evaluations=[*names, "value-accuracy", Perplexity(texts)],
            tables=tables,
        )
        remote, _ = Evaluator.from_checkpoint("run", spec)
        assert remote.model.capabilities == {"logprobs", "generate"}
        remote()
        remote.model.close()
    assert remote.results is not None
    # It does not report the likeliest tokens.
    assert set(remote.results.failures) == {"value-accuracy"}
    assert "needs 'predictions'" in remote.results.failures["value-accuracy"]
    local, _ = Evaluator.from_checkpoint(
        "run",
        ExecutionSpec(
            root=trained_run.parent,
            name="local",
            evaluations=[*names, Perplexity(texts)],
            tables=tables,
            backend=ComponentRef(name="transformers", options={"dtype": "float32"}),
        ),
    )
    local()
    assert local.results is not None
    for name, score in local.results.metrics.items():
        assert remote.results.metrics[name] == pytest.approx(score, abs=1e-4), name
    engine.stop()


LAUNCHED = """
import json, sys
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from toys import Perplexity
from rowsmith.evaluation import ExecutionSpec, InferenceJob
from rowsmith.model.distributed import DistributedEnv
from rowsmith_backends.training.process_group import ProcessGroup
from rowsmith_backends.transformers.language_model import CausalLanguageModel
from transformers import AutoModelForCausalLM, AutoTokenizer

group = ProcessGroup.init(DistributedEnv.current())
folder, out = Path(sys.argv[1]), Path(sys.argv[2])
model = CausalLanguageModel(AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder))
inference = InferenceJob(model, None, ExecutionSpec(exchange=group, per_device_batch_size=2))
score = Perplexity(["the class", "of", "an object determines", "x" * 40, "7"])(inference, model.encoding)
(out / f"{group.rank}.json").write_text(json.dumps(score))
group.destroy()
"""


@pytest.mark.slow
def test_two_processes_give_the_score_of_one(root: Path, tmp_path: Path) -> None:
    """V1: with gloo."""
    from ...shared.base_models import make_base

    base = make_base(tmp_path / "base", width=32, vocab_size=512)
    program = tmp_path / "launched.py"
    program.write_text(LAUNCHED)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    paths = [str(root / name) for name in (".", "core", "assemblers", "backends", "plugins")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}
    scores, toys = {}, str(root / "tests" / "core" / "evaluation")
    for processes in (1, 2):
        out = tmp_path / str(processes)
        out.mkdir()
        launcher = ["-m", "torch.distributed.run", f"--nproc_per_node={processes}", f"--master_port={port}"]
        command = [sys.executable, *(launcher if processes > 1 else []), str(program), str(base), str(out), toys]
        subprocess.run(command, env=environment, check=True, cwd=root)
        scores[processes] = [json.loads(path.read_text()) for path in sorted(out.iterdir())]
    assert scores[2] == [pytest.approx(scores[1][0], abs=1e-5)] * 2


@pytest.mark.slow
def test_an_adapter_is_compared_with_its_base_model(tmp_path: Path) -> None:
    """The reference of the membership attack is the model with the adapter off."""
    pytest.importorskip("llguidance")
    from ...shared.base_models import make_base
    from ...shared.fine_tuning import tune

    draw = np.random.default_rng(0)
    frame = pd.DataFrame({"city": draw.choice(["Ulm", "Rome", "São"], 120), "n": draw.integers(0, 50, 120)})
    base = make_base(tmp_path / "base", adds_bos=True)
    tune(frame, tmp_path / "run", base)
    rows = from_frame(frame)
    tables = ModelTables(train=rows.take(np.arange(40)), holdout=rows.take(np.arange(40, 80)))
    names = ["code-length", "membership", "value-accuracy", "completion", "choice", "extraction"]
    evaluator, _ = Evaluator.from_checkpoint("run", ExecutionSpec(root=tmp_path, evaluations=names, tables=tables))
    evaluator()
    assert evaluator.results is not None
    assert evaluator.results.failures == {}
    reference = evaluator.model.reference()
    assert reference is not None
    found = {each.name: each for each in evaluator.results.evaluations}
    assert found["membership"].details["reference"] == "base model"
    details = found["code-length"].details
    parts = sum(details["bits_per_column"].values()) + details["structure_bits"]
    assert parts == pytest.approx(details["bits_per_record"], rel=1e-6)
    # It reads any text, and was trained on sequences of several records.
    for name in ("column_orders", "record_orders"):
        orders = details[name]
        assert (orders["tried"], orders["n"]) == (8, 40)
        assert orders["bits_per_record"]["deviation"] > 0
        assert set(orders["bits_per_column"]) == {"city", "n"}
    assert details["column_orders"]["own_bits_per_record"] == pytest.approx(details["bits_per_record"], rel=1e-6)
    # Six steps of training make records likelier than they are to the base model.
    assert reference.fingerprint != evaluator.model.fingerprint
