"""How a columnar vocabulary reaches the processes in which vLLM runs the model."""

from __future__ import annotations

import json
from pathlib import Path

import cattrs.preconf.json

from rowsmith.table.schema import ModelSchema
from rowsmith.vocabulary import Vocabulary

__all__ = ["PROCESSOR", "VOCABULARY_PATH", "WISHES", "load_vocabulary", "save_vocabulary"]

PROCESSOR = "rowsmith_backends.vllm_columnar:ColumnarProcessor"
"""The logits processor, as vLLM finds it."""

VOCABULARY_PATH = "rowsmith_vocabulary"
"""Names the file with the vocabulary in vLLM's additional configuration."""

WISHES = "rowsmith"
"""Names what a request wants of the processor among the extra arguments of its sampling parameters."""

_converter = cattrs.preconf.json.make_converter()


def save_vocabulary(vocabulary: Vocabulary, path: Path) -> None:
    """Write a vocabulary.

    Args:
        vocabulary: The vocabulary.
        path: A new file.
    """
    state = {"schema": _converter.unstructure(vocabulary.schema), "state": vocabulary.state()}
    path.write_text(json.dumps(state), encoding="utf-8")


def load_vocabulary(path: Path) -> Vocabulary:
    """Read it back.

    Args:
        path: The file.
    """
    state = json.loads(path.read_text(encoding="utf-8"))
    return Vocabulary.restore(_converter.structure(state["schema"], ModelSchema), state["state"])
