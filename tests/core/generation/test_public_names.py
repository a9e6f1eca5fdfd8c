"""What ``rowsmith.generation`` offers, and what importing it costs."""

import subprocess
import sys

import pytest

import rowsmith.generation

SEED_NAMES = (
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
)


@pytest.mark.parametrize("name", SEED_NAMES)
def test_the_names_of_the_documents_are_there(name):
    """Promise A1."""
    assert name in rowsmith.generation.__all__
    assert getattr(rowsmith.generation, name) is not None


def test_every_public_name_can_be_imported():
    assert all(getattr(rowsmith.generation, name) is not None for name in rowsmith.generation.__all__)
    assert set(rowsmith.generation.__all__) <= set(dir(rowsmith.generation))


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="nothing"):
        _ = rowsmith.generation.nothing


@pytest.mark.parametrize("module", ["rowsmith.generation", "rowsmith_plugins.stopping.options"])
def test_importing_is_light(module):
    code = f"import sys, {module}; print([m for m in ('pandas', 'numpy', 'torch') if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONPATH": ":".join(sys.path)}
    )
    assert done.stdout.strip() == "[]"
