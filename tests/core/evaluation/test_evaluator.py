"""The evaluator: what it is made from, what it saves, and when saved results count."""

from __future__ import annotations

import inspect
import json
import os
import subprocess
import sys
import typing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rowsmith.errors import BundleError, ParameterError, PluginError
from rowsmith.evaluation import (
    BaseTrainer,
    Evaluation,
    Evaluator,
    EvaluatorConfig,
    ExecutionSpec,
    InferenceJob,
    M,
)
from rowsmith.evaluation.models import checkpoint as checkpoint_module
from rowsmith.interruption import Interrupted
from rowsmith.runs.plan import PLAN_FILE
from rowsmith.runs.stages import BUNDLE_FOLDER

from .test_executor import Pair
from .toys import Choice, Encoding, Letters, Perplexity, Rollout, chain, random_model


class Trainer(BaseTrainer[dict[str, Any], Any]):
    """A training whose model is a table of logits."""

    def __init__(self, model: Any, spec: ExecutionSpec, evaluations: Any = (), encoding: Any = None) -> None:
        self.model, self.spec, self.config = model, spec, {}
        self.evaluations, self.encoding = evaluations, encoding

    def language_model(self) -> Any:
        return self.model


class Counting(Perplexity):
    """Tells how often it ran."""

    runs = 0

    def __call__(self, *args: Any, **kwargs: Any) -> float:
        self.runs += 1
        return super().__call__(*args, **kwargs)


class Failing(Perplexity):
    """Never gives a score."""

    def __call__(self, *args: Any, **kwargs: Any) -> float:
        raise ZeroDivisionError("no such score")


def all_kinds() -> list[Evaluation]:
    return [
        Rollout([("ab", "abcdefgh")]),
        Encoding(["abc", "bcd"]),
        Perplexity(["abc"]),
        Choice([("a", ["b", "c"], 0)]),
    ]


def saved(folder: Path, name: str = "evaluation") -> dict[str, Any]:
    return json.loads((folder / "evaluation" / f"{name}.json").read_text())


def test_an_evaluator_is_an_inference_job_with_a_configuration_and_a_model() -> None:
    """Promises H55, H68"""
    assert issubclass(Evaluator, InferenceJob)
    bases = Evaluator.__orig_bases__  # type: ignore[attr-defined]
    assert bases == (InferenceJob[EvaluatorConfig, M], typing.Generic[M])
    for each in (InferenceJob, EvaluatorConfig, ExecutionSpec, BaseTrainer, M):
        assert each is not None
    assert InferenceJob(chain(block_size=12), None).block_size == 12


def test_an_evaluator_is_not_made_directly() -> None:
    """Promise H58"""
    assert list(inspect.signature(Evaluator).parameters) == ["spec"]
    with pytest.raises(ParameterError, match=r"from_trainer\(trainer\) or Evaluator\.from_checkpoint"):
        Evaluator(ExecutionSpec())


@pytest.mark.parametrize("how", ["given", "held"])
def test_from_trainer_takes_evaluations_and_encoding_or_those_of_the_trainer(tmp_path: Path, how: str) -> None:
    """Promises H57, H61, H62"""
    assert next(iter(inspect.signature(Evaluator.from_trainer).parameters)) == "trainer"
    spec, evaluations, encoding = ExecutionSpec(root=tmp_path), all_kinds(), Letters()
    if how == "given":
        evaluator = Evaluator.from_trainer(Trainer(chain(), spec), evaluations, encoding)
    else:
        evaluator = Evaluator.from_trainer(Trainer(chain(), spec, evaluations, encoding))
    assert isinstance(evaluator, Evaluator)
    assert evaluator.evaluations == tuple(evaluations)
    evaluator.run()
    assert evaluator.results is not None
    assert evaluator.results.status == "complete"
    assert set(encoding.called) == {"encode", "encode_batch", "decode_batch"}


def test_without_an_encoding_the_model_s_own_is_used(tmp_path: Path) -> None:
    """Promise H61"""
    model = chain()
    evaluator = Evaluator.from_trainer(Trainer(model, ExecutionSpec(root=tmp_path)), [Perplexity(["ab"])])
    assert evaluator.encoding is model.encoding
    evaluator()
    assert "encode_batch" in model.encoding.called


def test_what_is_no_trainer_is_refused() -> None:
    """Promise H61"""
    with pytest.raises(ParameterError, match=r"a dict has no method language_model\(\)"):
        Evaluator.from_trainer({})  # type: ignore[arg-type]


def test_a_call_runs_all_evaluations_and_saves_each_under_its_prefix(tmp_path: Path) -> None:
    """Promises H56, H57, H59, H65, H67"""
    evaluations = [*all_kinds(), Perplexity(["hh"], name="second")]
    evaluator = Evaluator.from_trainer(Trainer(chain(), ExecutionSpec(root=tmp_path)), evaluations, Letters())
    assert evaluator() is None
    found = saved(tmp_path)
    assert found["status"] == "complete"
    assert set(found["metrics"]) == {f"{each.prefix()}score" for each in evaluations}
    assert found["metrics"]["encoding_score"] == 0.5
    assert [each["name"] for each in found["evaluations"]] == [each.name for each in evaluations]
    assert [each["n"] for each in found["evaluations"]] == [1, 2, 1, 1, 1]
    assert found["seed"] == 0
    assert len(found["model"]) == len(found["evaluations"][0]["data"]) == 64


def test_run_returns_nothing_and_then_it_is_done_for_every_evaluator_of_these_results(tmp_path: Path) -> None:
    """Promises H60, H65, H66"""
    assert isinstance(inspect.getattr_static(Evaluator, "done"), property)
    evaluations = [Counting(["abc"])]
    trainer = Trainer(chain(), ExecutionSpec(root=tmp_path), evaluations, Letters())
    evaluator = Evaluator.from_trainer(trainer)
    assert evaluator.done is False
    assert evaluator.run() is None
    assert evaluator.done is True
    other = Evaluator.from_trainer(trainer)
    assert other.done is True
    other()
    assert evaluations[0].runs == 1
    assert other.results is not None
    assert other.results.metrics == saved(tmp_path)["metrics"]


def test_results_of_another_model_seed_name_or_of_other_samples_do_not_count(tmp_path: Path) -> None:
    """Promise H60"""
    spec, samples = ExecutionSpec(root=tmp_path), [Perplexity(["abc"])]
    Evaluator.from_trainer(Trainer(chain(), spec, samples, Letters())).run()
    for model, other, evaluations in (
        (chain(1.0), spec, samples),
        (chain(), ExecutionSpec(root=tmp_path, seed=1), samples),
        (chain(), ExecutionSpec(root=tmp_path, name="other"), samples),
        (chain(block_size=8), spec, samples),
        (chain(), spec, [Perplexity(["abd"])]),
        (chain(), spec, [Perplexity(["abc"], name="other")]),
        (chain(), spec, [*samples, Encoding(["abc"])]),
        (chain(), spec, []),
    ):
        assert not Evaluator.from_trainer(Trainer(model, other, evaluations, Letters())).done
    assert Evaluator.from_trainer(Trainer(chain(), spec, samples, Letters())).done


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"version": 0}', b'{"version": 1}', b"\xff", None])
def test_damaged_results_do_not_count_and_are_made_again(tmp_path: Path, content: bytes | None) -> None:
    """V11: no truncated file is accepted."""
    trainer = Trainer(chain(), ExecutionSpec(root=tmp_path), all_kinds(), Letters())
    Evaluator.from_trainer(trainer).run()
    file = tmp_path / "evaluation" / "evaluation.json"
    whole = saved(tmp_path)["metrics"]
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2] if content is None else content)
    evaluator = Evaluator.from_trainer(trainer)
    assert not evaluator.done
    evaluator()
    assert saved(tmp_path)["metrics"] == whole


def test_an_evaluation_that_fails_is_named_and_the_others_go_on(tmp_path: Path) -> None:
    """F26"""
    evaluations = [Perplexity(["abc"]), Failing(["abc"], name="broken"), Counting(["h"], name="last")]
    trainer = Trainer(chain(), ExecutionSpec(root=tmp_path), evaluations, Letters())
    evaluator = Evaluator.from_trainer(trainer)
    evaluator()
    assert evaluator.results is not None
    assert evaluator.results.status == saved(tmp_path)["status"] == "failed"
    assert evaluator.results.failures == {"broken": "ZeroDivisionError: no such score"}
    assert set(evaluator.results.metrics) == {"perplexity_score", "last_score"}
    assert not evaluator.done
    # A second run tries it again, and nothing else.
    evaluations[1].__class__ = Perplexity
    again = Evaluator.from_trainer(trainer)
    again()
    assert again.done
    assert evaluations[2].runs == 1


@pytest.mark.parametrize("score", [float("nan"), float("inf"), "high", None])
def test_a_score_that_is_no_number_is_a_failure(tmp_path: Path, score: Any) -> None:
    class Odd(Perplexity):
        def __call__(self, *args: Any, **kwargs: Any) -> float:
            return score

    evaluator = Evaluator.from_trainer(Trainer(chain(), ExecutionSpec(root=tmp_path), [Odd(["a"])], Letters()))
    evaluator()
    assert evaluator.results is not None
    assert "an evaluation returns a finite number" in evaluator.results.failures["perplexity"]


def test_an_evaluation_that_cannot_even_tell_its_samples_is_named(tmp_path: Path) -> None:
    class Odd(Perplexity):
        def get(self, indx: int) -> str:
            raise OSError("gone")

    evaluator = Evaluator.from_trainer(Trainer(chain(), ExecutionSpec(root=tmp_path), [Odd(["a"])], Letters()))
    assert not evaluator.done
    evaluator()
    assert evaluator.results is not None
    assert evaluator.results.failures == {"perplexity": "OSError: gone"}
    assert not evaluator.done


def test_two_evaluations_of_one_name_or_prefix_are_refused(tmp_path: Path) -> None:
    """Promise H67"""
    trainer = Trainer(chain(), ExecutionSpec(root=tmp_path))
    with pytest.raises(ParameterError, match="two evaluations are called 'perplexity'"):
        Evaluator.from_trainer(trainer, [Perplexity(["a"]), Perplexity(["b"])])

    class Same(Perplexity):
        def prefix(self) -> str:
            return "x_"

    with pytest.raises(ParameterError, match="'one' and 'two' share the prefix 'x_'"):
        Evaluator.from_trainer(trainer, [Same(["a"], name="one"), Same(["b"], name="two")])


@pytest.mark.parametrize("name", ["", "../x", "/etc/x", "a/b", "a.b", "-x", "x" * 65, "a\n", "a b"])
def test_a_name_of_results_is_no_path(name: str) -> None:
    with pytest.raises(ParameterError, match="is no name of results"):
        ExecutionSpec(name=name)


def test_an_evaluation_that_was_broken_off_goes_on_with_what_is_missing(tmp_path: Path) -> None:
    """V11: the same numbers as without the break."""

    class Interrupting(Counting):
        def __call__(self, *args: Any, **kwargs: Any) -> float:
            if not self.runs:
                self.runs += 1
                raise Interrupted
            return super().__call__(*args, **kwargs)

    model = random_model()
    first, second = Counting(["abc"], name="first"), Interrupting(["hgf"], name="second")
    trainer = Trainer(model, ExecutionSpec(root=tmp_path), [first, second], Letters())
    evaluator = Evaluator.from_trainer(trainer)
    with pytest.raises(Interrupted):
        evaluator()
    assert not evaluator.done
    assert saved(tmp_path)["status"] == "unfinished"
    again = Evaluator.from_trainer(trainer)
    again()
    assert again.done
    assert first.runs == 1
    whole = tmp_path / "whole"
    Evaluator.from_trainer(Trainer(model, ExecutionSpec(root=whole), [first, second], Letters())).run()
    assert saved(tmp_path)["metrics"] == saved(whole)["metrics"]


def test_processes_evaluate_together_and_one_writes_the_results(tmp_path: Path) -> None:
    """V1: two processes give the score of one."""
    texts = ["abc", "h", "gfedcba", "aa", "b"]

    def work(member: Any) -> Any:
        spec = ExecutionSpec(root=tmp_path / str(member.rank), exchange=member)
        evaluator = Evaluator.from_trainer(Trainer(random_model(), spec, [Perplexity(texts)], Letters()))
        evaluator()
        return evaluator.results.metrics

    alone = tmp_path / "alone"
    Evaluator.from_trainer(Trainer(random_model(), ExecutionSpec(root=alone), [Perplexity(texts)], Letters())).run()
    for metrics in Pair().run(work):
        assert metrics == saved(alone)["metrics"]
    assert saved(tmp_path / "0")["metrics"] == saved(alone)["metrics"]
    assert not (tmp_path / "1").exists()


def test_a_configuration_s_arguments_reach_every_evaluation(tmp_path: Path) -> None:
    evaluator = Evaluator.from_trainer(
        Trainer(random_model(), ExecutionSpec(root=tmp_path), [Rollout([("a", "")])], Letters())
    )
    evaluator.config = EvaluatorConfig(arguments={"temperature": 0.5})
    evaluator()
    assert [each.temperature for each in evaluator.model.sampling] == [0.5]


# Checkpoints


def test_the_files_of_a_run_have_the_names_that_checkpoints_are_opened_by() -> None:
    assert (checkpoint_module.BUNDLE_FOLDER, checkpoint_module.PLAN_FILE) == (BUNDLE_FOLDER, PLAN_FILE)


def test_from_checkpoint_gives_an_evaluator_and_the_configuration_of_the_run(trained_run: Path) -> None:
    """Promises H57, H63, H64, H66"""
    names = list(inspect.signature(Evaluator.from_checkpoint).parameters)
    assert names == ["suffix", "spec"]
    spec = ExecutionSpec(root=trained_run.parent, name="checkpoint", evaluations=[Perplexity(['{"age":39', "{"])])
    for suffix in (trained_run.name, Path(trained_run.name)):
        found = Evaluator.from_checkpoint(suffix, spec)
        assert type(found) is tuple
        evaluator, config = found
        assert config.training.max_steps == 3
        evaluator()
        assert evaluator.done
        assert evaluator.results is not None
        assert 0 < evaluator.results.metrics["perplexity_score"] <= 1
    assert (trained_run / "evaluation" / "checkpoint.json").exists()


def test_from_checkpoint_runs_what_the_stored_configuration_names(trained_run: Path) -> None:
    """Promises H57, H63, H65"""
    plan = trained_run / "plan.json"
    before = plan.read_text()
    changed = json.loads(before)
    changed["config"]["evaluation"] = ["code-length"]
    plan.write_text(json.dumps(changed))
    try:
        evaluator, _ = Evaluator.from_checkpoint(
            trained_run.name, ExecutionSpec(root=trained_run.parent, name="stored")
        )
        evaluator()
        found = saved(trained_run, "stored")
        assert [(each["name"], each["status"]) for each in found["evaluations"]] == [("code-length", "skipped")]
        changed["config"]["evaluation"] = ["nothing-such"]
        plan.write_text(json.dumps(changed))
        with pytest.raises(PluginError, match="Unknown evaluation 'nothing-such'"):
            Evaluator.from_checkpoint(trained_run.name, ExecutionSpec(root=trained_run.parent))
    finally:
        plan.write_text(before)


@pytest.mark.parametrize("suffix", ["..", "../run/../..", "/tmp"])
def test_a_checkpoint_lies_below_its_root(trained_run: Path, suffix: str) -> None:
    with pytest.raises(ParameterError, match="leads out of"):
        Evaluator.from_checkpoint(suffix, ExecutionSpec(root=trained_run))


def test_a_folder_without_a_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="holds no trained model"):
        Evaluator.from_checkpoint("nothing", ExecutionSpec(root=tmp_path))


KILLED = """
import os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from toys import Letters, Perplexity, random_model
from rowsmith.evaluation import BaseTrainer, Evaluator, ExecutionSpec

class Trainer(BaseTrainer):
    spec = ExecutionSpec(root=Path(sys.argv[1]))

    def language_model(self):
        return random_model()

class Dying(Perplexity):
    def __call__(self, *args, **kwargs):
        os._exit(9)

# Both count as the same evaluation.
Dying.__qualname__, Dying.__module__ = Perplexity.__qualname__, Perplexity.__module__
second = Dying if sys.argv[2] == "die" else Perplexity
evaluations = [Perplexity(["abc"], name="one"), second(["h"], name="two"), Perplexity(["gf"], name="three")]
Evaluator.from_trainer(Trainer(), evaluations, Letters())()
"""


def test_an_evaluation_that_was_killed_gives_the_same_numbers_when_it_is_run_again(root: Path, tmp_path: Path) -> None:
    """V11"""
    paths = [str(root / name) for name in (".", "core", "assemblers", "backends", "plugins")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}

    def run(folder: str, how: str) -> int:
        program = [sys.executable, "-c", KILLED, str(tmp_path / folder), how, str(Path(__file__).parent)]
        return subprocess.run(program, env=environment, check=False).returncode

    assert run("killed", "die") == 9
    assert saved(tmp_path / "killed")["status"] == "unfinished"
    assert run("killed", "go on") == run("whole", "go on") == 0
    assert saved(tmp_path / "killed")["metrics"] == saved(tmp_path / "whole")["metrics"]
    assert not list((tmp_path / "killed").rglob(".partial-*"))
    assert np.isfinite(list(saved(tmp_path / "whole")["metrics"].values())).all()
