"""Document 000, results and accumulator: every class constructed, every method called, every attribute read.

Written from the document alone; only a batch of records has to be made in a way that it does not describe.
Run with ``python tests/conformance/document_000.py``.
"""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pandas as pd
from sheet import Sheet, logged_by, raised, signature

from rowsmith.errors import RecordError
from rowsmith.generation import Batch, Completion, FinishReason, GenerationStatus, results
from rowsmith.generation.results import (
    ADAPTIVE_MAX_PROMPTS_CEILING,
    INITIAL_PROBE_PROMPTS,
    NUM_PROMPT_BUFFER,
    GenerateJobResults,
    GenerationBatches,
    rejected_record_to_error,
)
from rowsmith_plugins.processors.grouped import GroupedProcessor
from rowsmith_plugins.processors.tabular import TabularProcessor

REQUIRED = [
    "df",
    "status",
    "num_valid_records",
    "num_invalid_records",
    "num_prompts",
    "valid_record_fraction",
    "batch_valid_record_fractions",
]
OPTIONAL = [
    "elapsed_time",
    "num_completion_tokens",
    "num_valid_record_tokens",
    "num_invalid_record_tokens",
    "num_non_record_tokens",
    "tokens_per_prompt",
    "tokens_per_second",
    "valid_tokens_per_second",
    "tokenization_overhead_sec",
]


class Dialect:
    """Records of one number; a token is a character."""

    def decode(self, line: str) -> dict[str, Any]:
        try:
            return {"a": json.loads(line)["a"] + 0}
        except (ValueError, TypeError):
            raise RecordError("no record", "type") from None


def batch(*values: int, invalid: int = 0, prompts: int = 1, cut: bool = False, grouped: bool = False) -> Batch:
    """Some records in the first completion, the others being empty; EOS is a token of each."""
    processor = GroupedProcessor(Dialect()) if grouped else TabularProcessor(Dialect())
    made = Batch(processor, count_tokens=len)
    for prompt in range(prompts):
        text = "" if prompt else "".join(f'{{"a":{value}}}\n' for value in values) + '{"a":"no"}\n' * invalid
        reason = FinishReason.LENGTH if cut else FinishReason.STOP
        made.process_completion(prompt, Completion(text, reason, len(text) + 1))
    return made


def added(batches: GenerationBatches, *more: Batch) -> GenerationBatches:
    for each in more:
        batches.add_batch(each)
    return batches


def names(sheet: Sheet) -> None:
    sheet.says("NUM_PROMPT_BUFFER", 10, NUM_PROMPT_BUFFER)
    sheet.says("INITIAL_PROBE_PROMPTS", 10, INITIAL_PROBE_PROMPTS)
    sheet.says("ADAPTIVE_MAX_PROMPTS_CEILING", 2000, ADAPTIVE_MAX_PROMPTS_CEILING)
    sheet.says(
        "names that the module lacks",
        [],
        [n for n in ("GenerateJobResults", "GenerationBatches") if not hasattr(results, n)],
    )


def job_results(sheet: Sheet) -> None:
    cls = GenerateJobResults
    sheet.says("GenerateJobResults(...)", ", ".join([*REQUIRED, *(f"{n}=None" for n in OPTIONAL)]), signature(cls))
    sheet.says("GenerateJobResults is a dataclass", True, dataclasses.is_dataclass(cls))
    frame = pd.DataFrame({"a": [1, 2]})
    made = cls(frame, GenerationStatus.COMPLETE, 2, 1, 3, 2 / 3, [0.5, 1.0])
    sheet.says("made.df is the frame", True, made.df is frame)
    for name, value in zip(REQUIRED[1:], (GenerationStatus.COMPLETE, 2, 1, 3, 2 / 3, [0.5, 1.0]), strict=True):
        sheet.says(f"made.{name}", value, getattr(made, name))
    for name in OPTIONAL:
        sheet.says(f"GenerateJobResults.{name}", None, getattr(cls, name))
        sheet.says(f"made.{name}", None, getattr(made, name))
        setattr(made, name, 1)
        sheet.says(f"made.{name} = 1", 1, getattr(made, name))
    sheet.says("dataclasses.asdict(made)", 3, dataclasses.asdict(made)["num_prompts"])
    sheet.says("dataclasses.replace(made, num_prompts=9)", 9, dataclasses.replace(made, num_prompts=9).num_prompts)
    sheet.says("vars(made)", 3, vars(made)["num_prompts"])
    sheet.says("from_batches(...)", "batches, max_num_records, columns, elapsed_time", signature(cls.from_batches))


def from_batches(sheet: Sheet) -> None:
    batches = added(GenerationBatches(9), batch(1, 2, invalid=1), batch(3, prompts=2))
    batches.job_complete()
    made = GenerateJobResults.from_batches(batches, 2, ["a"], 4.0)
    tokens = batches.total_completion_tokens
    sheet.says("from_batches(b, 2, ['a'], 4.0).df", [[1], [2]], made.df.to_numpy().tolist())
    sheet.says(".status", GenerationStatus.INCOMPLETE, made.status)
    sheet.says(".num_valid_records", 3, made.num_valid_records)
    sheet.says(".num_invalid_records", 1, made.num_invalid_records)
    sheet.says(".num_prompts", 3, made.num_prompts)
    sheet.says(".valid_record_fraction", 0.75, made.valid_record_fraction)
    sheet.says(".batch_valid_record_fractions", [2 / 3, 1.0], made.batch_valid_record_fractions)
    sheet.says(".elapsed_time", 4.0, made.elapsed_time)
    sheet.says(".num_completion_tokens", tokens, made.num_completion_tokens)
    sheet.says(".num_valid_record_tokens", batches.total_valid_record_tokens, made.num_valid_record_tokens)
    sheet.says(".num_invalid_record_tokens", batches.total_invalid_record_tokens, made.num_invalid_record_tokens)
    sheet.says(".num_non_record_tokens", batches.total_non_record_tokens, made.num_non_record_tokens)
    sheet.says(".tokens_per_prompt", tokens / 3, made.tokens_per_prompt)
    sheet.says(".tokens_per_second", tokens / 4, made.tokens_per_second)
    sheet.says(".valid_tokens_per_second", batches.total_valid_record_tokens / 4, made.valid_tokens_per_second)
    sheet.says(".tokenization_overhead_sec", batches.total_tokenization_time_sec, made.tokenization_overhead_sec)
    sheet.says("from_batches(b, None, ...)", 3, len(GenerateJobResults.from_batches(batches, None, ["a"], 1.0).df))
    unknown = Batch(TabularProcessor(Dialect()))
    unknown.process(0, '{"a":1}\n')
    uncounted = GenerateJobResults.from_batches(added(GenerationBatches(), unknown), None, ["a"], 1.0)
    sheet.says("num_completion_tokens, nobody counts", None, uncounted.num_completion_tokens)
    groups = added(GenerationBatches(grouped=True), batch(1, 1, 1, grouped=True), batch(2, 2, 2, grouped=True))
    rows = len(GenerateJobResults.from_batches(groups, 4, ["a"], 1.0).df)
    sheet.says("max_num_records=4 of groups of 3", 4, rows, amended="A40")


def sizes(sheet: Sheet) -> None:
    cls = GenerationBatches
    given = (
        "target_num_records=None, batches=None, max_num_prompts_per_batch=None, invalid_fraction_threshold=None, "
        "patience=None, data_actions_fn=None"
    )
    sheet.says("GenerationBatches(...)", given, signature(cls))
    fresh = cls()
    sheet.says("GenerationBatches().status", GenerationStatus.IN_PROGRESS, fresh.status)
    sheet.says("GenerationBatches().running_stopping_metric", 0.0, fresh.running_stopping_metric)
    sheet.says("GenerationBatches().stop_condition", None, fresh.stop_condition)
    sheet.says("GenerationBatches().num_batches", 0, fresh.num_batches)
    sheet.says(
        "stop_condition of a threshold and a patience", True, cls(9, None, None, 0.5, 2).stop_condition is not None
    )
    sheet.says("a threshold without a patience", "nothing", raised(cls, invalid_fraction_threshold=0.5), amended="A13")
    sheet.says("max_num_prompts_per_batch=7", 7, cls(9, None, 7).max_num_prompts_per_batch)
    sheet.says("ceiling of what the target says", 2000, cls(10**7).max_num_prompts_per_batch)
    sheet.says("get_next_num_prompts(), first batch", INITIAL_PROBE_PROMPTS, cls(1000).get_next_num_prompts())
    lenient = {"invalid_fraction_threshold": 1.0, "patience": 9}
    hopeless = added(cls(1000, **lenient), batch(invalid=1, cut=True), batch(invalid=1))
    sheet.says("prompts sent, no valid record: full budget", 100, hopeless.get_next_num_prompts())
    cut = added(cls(1000, **lenient), batch(invalid=1, cut=True))
    sheet.says("latest batch fully cut: keep probing", INITIAL_PROBE_PROMPTS, cut.get_next_num_prompts())
    yielding = added(cls(100, None, 1000), batch(*range(20), prompts=10))
    sheet.says("80 missing, 2 a prompt: 40 and the buffer", 50, yielding.get_next_num_prompts())
    seeded = cls(9, [batch(1, 2)])
    sheet.says("batches=[...] seeds", (1, 2), (seeded.num_batches, seeded.num_valid_records))


def stops(sheet: Sheet) -> None:
    cls, none, metric = GenerationBatches, GenerationStatus.STOP_NO_RECORDS, GenerationStatus.STOP_METRIC_REACHED
    going, patient = GenerationStatus.IN_PROGRESS, {"invalid_fraction_threshold": 0.5, "patience": 2}
    bad, good = (lambda: batch(invalid=2)), (lambda: batch(1))
    sheet.says("add_batch(batch)", "batch", signature(cls.add_batch))
    sheet.says("first batch without a record", none, added(cls(9), bad()).status)
    sheet.says("... with a condition", none, added(cls(9, **patient), bad()).status)
    sheet.says("... fully cut, without a condition", none, added(cls(9), batch(invalid=1, cut=True)).status)
    sheet.says("... fully cut, with one", going, added(cls(9, **patient), batch(invalid=1, cut=True)).status)
    sheet.says("later batch without a record", none, added(cls(9), good(), bad()).status)
    sheet.says("... with a condition: tolerated", going, added(cls(9, **patient), good(), bad()).status)
    sheet.says("... until patience is out", metric, added(cls(9, **patient), good(), bad(), bad()).status)
    sheet.says("a batch without a record, target met", none, added(cls(1), good(), bad()).status, amended="A38")
    metric_after = added(cls(9, **patient), good(), bad()).running_stopping_metric
    sheet.says("running_stopping_metric is between 0 and 1", True, 0 < metric_after < 1)


def output(sheet: Sheet) -> None:
    made = [batch(1, 2, 3, invalid=1, prompts=2), batch(4, 5, invalid=2, prompts=3), batch(6, cut=True)]
    batches = added(GenerationBatches(), *made)
    texts = [3 * 8 + 11, 2 * 8 + 22, 8]
    said = {
        "num_batches": 3,
        "num_prompts": 6,
        "num_invalid_records": 3,
        "num_valid_records": 6,
        "total_completion_tokens": sum(texts) + 6,
        "total_valid_record_tokens": 6 * 8,
        "total_invalid_record_tokens": 3 * 11,
        "total_non_record_tokens": 6,
        "num_length_truncated_completions": 1,
    }
    for name, value in said.items():
        sheet.says(name, value, getattr(batches, name))
    sheet.says("total_tokenization_time_sec > 0", True, batches.total_tokenization_time_sec > 0)
    sheet.says("to_dataframe(...)", "columns, max_num_records=None", signature(batches.to_dataframe))
    sheet.says("to_dataframe(['a'])", [1, 2, 3, 4, 5, 6], batches.to_dataframe(["a"])["a"].tolist())
    sheet.says("to_dataframe(['a'], 4)", [1, 2, 3, 4], batches.to_dataframe(["a"], 4)["a"].tolist())
    empty = GenerationBatches().to_dataframe(["a", "b"])
    sheet.says("to_dataframe of nothing", (0, ["a", "b"]), (len(empty), list(empty.columns)))
    sheet.says("log_status()", None, batches.log_status())
    sheet.says("job_complete()", None, batches.job_complete())
    sheet.says("status after job_complete()", GenerationStatus.COMPLETE, batches.status)
    sheet.says("log_status() and job_complete() log", 2, len(logged_by(batches.log_status, batches.job_complete)))


def actions(sheet: Sheet) -> None:
    def with_actions(fn: Any) -> GenerationBatches:
        return added(GenerationBatches(data_actions_fn=fn), batch(1, 2, 3))

    for words, fn, kept in (
        ("a filter", lambda df: df[df["a"] > 1], [2, 3]),
        ("selected columns", lambda df: df[["a"]], [1, 2, 3]),
        ("a fresh frame", lambda df: pd.DataFrame({"a": df["a"].tolist()}), [1, 2, 3]),
        ("a fresh frame of fewer rows", lambda df: pd.DataFrame({"a": [7]}), [7]),
        ("other values", lambda df: df * 2, [2, 4, 6]),
    ):
        batches = with_actions(fn)
        sheet.says(f"data_actions_fn: {words}", kept, batches.to_dataframe(["a"])["a"].tolist())
        counts = (batches.num_valid_records, batches.num_invalid_records)
        sheet.says(f"... counts of {words}", (len(kept), 3 - len(kept)), counts)
    error = rejected_record_to_error({"a": 1})
    sheet.says("rejected_record_to_error(record)", "record", signature(rejected_record_to_error))
    sheet.says("... a pair of the same", (2, True), (len(error), error[0] == error[1]))


def compared() -> Sheet:
    """Everything that the document says."""
    sheet = Sheet("000 results")
    for part in (names, job_results, from_batches, sizes, stops, output, actions):
        part(sheet)
    return sheet


if __name__ == "__main__":
    found = compared()
    print(found)
    raise SystemExit(bool(found.faults()))
