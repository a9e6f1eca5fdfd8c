"""Text that spells a model's control tokens, all the way from a table to rows."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from rowsmith import Synthesizer

from ...shared.fine_tuning import settings

pytest.importorskip("llguidance")


def test_cells_that_spell_control_tokens_are_written(base: Path, frame: pd.DataFrame) -> None:
    told = frame.assign(note=["</s>", "a </s> b", "<|endoftext|>"] * 100)
    synthesizer = Synthesizer(config=settings(base)).fit(told)
    rows = synthesizer.sample(12)
    assert set(rows["note"]) == set(told["note"])
    assert synthesizer.results is not None
    assert synthesizer.results.valid_record_fraction == 1
