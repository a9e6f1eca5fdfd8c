"""Grammar file: passes the record grammar to the processes in which vLLM runs the model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cattrs.preconf.json
from attrs import asdict, frozen

from rowsmith.table.schema import ModelSchema
from rowsmith.vocabulary import Vocabulary

__all__ = ["GRAMMAR_PATH", "PROCESSOR", "REQUEST_KEY", "GrammarFile"]

PROCESSOR = "rowsmith_backends.vllm.logits_processor:DrawingProcessor"
"""Import path of the logits processor, for vLLM."""

GRAMMAR_PATH = "rowsmith_grammar"
"""Key of the grammar file in vLLM's additional configuration."""

REQUEST_KEY = "rowsmith"
"""Key of the processor's parameters in the extra arguments of vLLM's sampling parameters."""

_converter = cattrs.preconf.json.make_converter()


@frozen(kw_only=True)
class GrammarFile:
    """Record grammar of a model, for a logits processor.

    Attributes:
        schema: The columns of a record.
        pieces: The state of a columnar vocabulary; None for models of other kinds.
        tokenizer: Folder of the tokenizer.
        bos_id: The token before the first record.
        eos_id: The token after the last record.
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
        """Write the grammar to a new file."""
        state = asdict(self, recurse=False) | {"schema": _converter.unstructure(self.schema)}
        path.write_text(json.dumps(state), encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> GrammarFile:
        """Read a grammar file."""
        state = json.loads(path.read_text(encoding="utf-8"))
        return cls(**state | {"schema": _converter.structure(state["schema"], ModelSchema)})
