"""The promises of docs/conformance.md: each names tests that say so and check it, each public name is there."""

import ast
import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "conformance.md").read_text(encoding="utf-8")
ROWS = [line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith(("| no. ", "| ---"))]
TEST = r"`([\w/]+\.py::test_\w+)`"
NAMES = {
    "rowsmith.assembly.contract": ["Example", "TrainingExamples", "TrainingExampleAssembler", "Statistics"],
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
    "rowsmith.evaluation": [
        "Evaluation",
        "RolloutEvaluation",
        "EncodingEvaluation",
        "PerplexityEvaluation",
        "PerplexityComparisonEvaluation",
        "Evaluator",
        "EvaluatorConfig",
        "ExecutionSpec",
        "InferenceJob",
        "BaseTrainer",
        "M",
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


def functions(path: Path) -> dict[str, ast.FunctionDef]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def cells(row: str) -> list[str]:
    return [cell.strip() for cell in row.strip("|").split(" | ")]


def numbers(function: ast.FunctionDef) -> list[str]:
    """The promises that a test says it is of, in the first words of its docstring: ``Promises A1, A2``."""
    found = re.match(r"Promises? ((?:[A-H]\d+(?:, )?)+)", ast.get_docstring(function) or "")
    return found[1].rstrip(", ").split(", ") if found else []


def checks(function: ast.FunctionDef) -> bool:
    """Whether a test can fail by what it says: an assertion, ``pytest.raises``, a helper or a process that checks."""
    calls = [node for node in ast.walk(function) if isinstance(node, ast.Call)]
    names = " ".join(ast.unparse(call.func) for call in calls)
    processes = any(keyword.arg == "check" for call in calls for keyword in call.keywords)
    asserts = any(isinstance(node, ast.Assert) for node in ast.walk(function))
    return asserts or processes or any(word in names for word in ("raises", "warns", "check", "assert"))


TESTS = {number: re.findall(TEST, tests) for number, _, _, tests in map(cells, ROWS)}
NAMED = sorted({test for tests in TESTS.values() for test in tests})
MODULES = {module: functions(ROOT / "tests" / module) for module in {test.partition("::")[0] for test in NAMED}}


def test_every_row_has_a_number_a_promise_a_verdict_and_tests():
    assert len(ROWS) > 60
    for row in ROWS:
        number, promise, verdict, tests = cells(row)
        assert re.fullmatch(r"[A-H]\d+", number), row
        assert promise
        assert verdict.startswith(("kept", "amended"))
        assert re.fullmatch(rf"{TEST}(, {TEST})*", tests), row


def test_numbers_go_up_by_one_in_each_section():
    for section in "ABCDEFGH":
        found = [int(cells(row)[0][1:]) for row in ROWS if cells(row)[0].startswith(section)]
        assert found == list(range(1, len(found) + 1)), section


@pytest.mark.parametrize("test", NAMED)
def test_every_test_that_is_named_says_which_promises_it_is_of_and_checks_something(test):
    module, _, name = test.partition("::")
    function = MODULES[module][name]
    assert numbers(function) == sorted(
        (number for number, tests in TESTS.items() if test in tests), key=lambda number: (number[0], int(number[1:]))
    )
    assert checks(function)


def test_no_test_says_it_is_of_a_promise_that_does_not_name_it():
    said = {
        (number, f"{path.relative_to(ROOT / 'tests').as_posix()}::{name}")
        for path in (ROOT / "tests").rglob("test_*.py")
        for name, function in functions(path).items()
        for number in numbers(function)
    }
    assert said == {(number, test) for number, tests in TESTS.items() for test in tests}


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
