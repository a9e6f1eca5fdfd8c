"""The promises of docs/conformance.md: each names a test that exists, each public name is there."""

import ast
import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "conformance.md").read_text(encoding="utf-8")
ROWS = [line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith(("| promise", "| ---"))]
NAMES = {
    "rowsmith.assembly": ["Example", "TrainingExamples", "TrainingExampleAssembler", "Statistics"],
    "rowsmith_assemblers": [
        "TabularDataExampleAssembler",
        "GroupedDataExampleAssembler",
        "SequentialExampleAssembler",
        "PSEUDO_GROUP_COLUMN",
    ],
    "rowsmith_backends": [
        "TimeseriesBackend",
        "TransformersBackend",
        "VllmBackend",
        "GroupState",
        "GroupProcessingResult",
        "ProgressSnapshot",
    ],
    "rowsmith.generation": [
        "GeneratorBackend",
        "Batch",
        "Processor",
        "ParsedResponse",
        "GenerationBatches",
        "GenerateJobResults",
        "GenerationStatus",
        "GenerationStopCondition",
        "rejected_record_to_error",
        "NUM_PROMPT_BUFFER",
        "INITIAL_PROBE_PROMPTS",
        "ADAPTIVE_MAX_PROMPTS_CEILING",
    ],
}


def functions(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_every_row_has_a_promise_a_verdict_and_a_test():
    assert len(ROWS) > 60
    for row in ROWS:
        promise, verdict, test = (cell.strip() for cell in row.strip("|").split(" | "))
        assert promise
        assert verdict.startswith(("kept", "amended"))
        assert re.fullmatch(r"`[\w/]+\.py::test_\w+`", test), row


@pytest.mark.parametrize("test", sorted(set(re.findall(r"`([\w/]+\.py::test_\w+)`", PAGE))))
def test_every_test_that_is_named_exists(test):
    path, _, name = test.partition("::")
    assert name in functions(ROOT / "tests" / path)


@pytest.mark.parametrize(("module", "name"), [(module, name) for module, names in NAMES.items() for name in names])
def test_every_name_of_the_documents_can_be_imported(module, name):
    if module == "rowsmith_assemblers":
        pytest.importorskip("datasets")
    assert getattr(importlib.import_module(module), name) is not None


def test_the_data_classes_of_the_documents_are_mutable():
    from rowsmith.assembly import TrainingExamples

    examples = TrainingExamples(train="train", stats={})
    examples.test = "test"
    assert (examples.train, examples.stats, examples.test) == ("train", {}, "test")
