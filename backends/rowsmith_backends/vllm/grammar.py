"""How the grammar of records reaches the processes in which vLLM runs the model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cattrs.preconf.json
from attrs import asdict, frozen

from rowsmith.table.schema import ModelSchema
from rowsmith.vocabulary import Vocabulary

__all__ = ["GRAMMAR_PATH", "PROCESSOR", "WISHES", "GrammarFile"]

PROCESSOR = "rowsmith_backends.vllm.logits_processor:DrawingProcessor"
"""The logits processor, as vLLM finds it."""

GRAMMAR_PATH = "rowsmith_grammar"
"""Names the file with the grammar in vLLM's additional configuration."""

WISHES = "rowsmith"
"""Names what a request wants of the processor among the extra arguments of its sampling parameters."""

_converter = cattrs.preconf.json.make_converter()


@frozen(kw_only=True)
class GrammarFile:
    """What a logits processor must know to write records.

    Attributes:
        schema: The columns of a record.
        pieces: The state of a columnar vocabulary; None for models of other kinds.
        tokenizer: Where the tokenizer is.
        bos_id: The token before the first record.
        eos_id: The token after the last one.
    """

    schema: ModelSchema
    pieces: dict[str, Any] | None
    tokenizer: str
    bos_id: int
    eos_id: int

    @property
    def vocabulary(self) -> Vocabulary | None:
        """The columnar vocabulary; None for models of other kinds."""
        return None if self.pieces is None else Vocabulary.restore(self.schema, self.pieces)

    def save(self, path: Path) -> None:
        """Write it to a new file."""
        state = asdict(self, recurse=False) | {"schema": _converter.unstructure(self.schema)}
        path.write_text(json.dumps(state), encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> GrammarFile:
        """Read it back."""
        state = json.loads(path.read_text(encoding="utf-8"))
        return cls(**state | {"schema": _converter.structure(state["schema"], ModelSchema)})
