"""What the documents say is so, or a row of docs/conformance.md says that it is amended."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.fixture(autouse=True)
def _scripts_find_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(HERE))


@pytest.mark.parametrize("script", sorted(path.stem for path in HERE.glob("document_*.py")))
def test_what_a_document_says_is_so_or_openly_amended(script: str) -> None:
    sheet = importlib.import_module(script).compared()
    assert len(sheet.lines) >= 50
    assert [(line.what, line.said, line.found, line.verdict) for line in sheet.faults()] == []


def test_a_difference_without_a_row_and_an_amendment_without_a_difference_are_faults() -> None:
    sheet = importlib.import_module("sheet").Sheet("none")
    for said, found, amended in (
        (1, 1, None),
        (1, 2, "A40"),
        (1, 2, None),
        (1, 1, "A40"),
        (1, 2, "A1"),
        (1, 2, "A999"),
    ):
        sheet.says("it", said, found, amended)
    assert [line.verdict for line in sheet.lines] == [
        "as said",
        "amended, A40",
        "DIFFERS",
        "NOT AMENDED, A40",
        "NO SUCH AMENDMENT, A1",
        "NO SUCH AMENDMENT, A999",
    ]
    assert len(sheet.faults()) == 4
    assert "it" in str(sheet)
    assert "6 looked at: 1 as said, 1 amended, 4 neither" in str(sheet)
