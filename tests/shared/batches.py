"""A small dialect, and batches of chosen sizes."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from attrs import frozen

from rowsmith.errors import RecordError
from rowsmith.generation import Batch, Completion, FinishReason, ParsedResponse, Processor
from rowsmith_plugins.processors.tabular import TabularProcessor

GOOD = '{"a":1,"b":"x"}\n'
BAD = '{"a":"no","b":"x"}\n'


class SmallDialect:
    """Records ``{"a": integer, "b": text or null}``."""

    def decode(self, line: str) -> dict[str, Any]:
        try:
            record = json.loads(line)
        except ValueError as error:
            raise RecordError(f"Invalid JSON: {error}", "Invalid JSON") from None
        if not isinstance(record, dict) or set(record) != {"a", "b"}:
            raise RecordError("expected the columns a and b", "required")
        if type(record["a"]) is not int:
            raise RecordError(f"{record['a']!r} is not an integer", "type")
        if not isinstance(record["b"], str | None):
            raise RecordError(f"{record['b']!r} is not text", "type")
        return record


class PlainProcessor(Processor):
    """A processor written from the contract alone: ``v`` is a valid record, ``i`` an invalid one."""

    def __call__(self, prompt_number: int, text: str) -> ParsedResponse:
        invalid = ["i"] * text.count("i")
        return ParsedResponse([{"a": 1}] * text.count("v"), invalid, [("bad i", "bad")] * len(invalid), prompt_number)


@frozen
class Tools:
    """What tests build batches from."""

    processor: Processor
    plain: Processor
    good: str = GOOD
    bad: str = BAD

    def batch(self, valid: int, invalid: int = 0, *, truncated: bool = False, prompts: int = 1) -> Batch:
        """A batch with so many records, all in its first completion."""
        batch = Batch(self.processor)
        reason = FinishReason.LENGTH if truncated else FinishReason.STOP
        for prompt in range(prompts):
            text = "" if prompt else GOOD * valid + BAD * invalid
            batch.process_completion(prompt, Completion(text, reason, len(text)))
        return batch

    def batch_of(self, values: list[int]) -> Batch:
        """A batch whose records have these values of ``a``."""
        batch = Batch(self.processor)
        batch.process(0, "".join(f'{{"a":{value},"b":null}}\n' for value in values))
        return batch


@pytest.fixture(scope="session")
def tools() -> Tools:
    return Tools(TabularProcessor(SmallDialect()), PlainProcessor())


@pytest.fixture
def clock() -> Callable[[], float]:
    """A clock that goes one second on every time it is looked at."""
    seconds = iter(range(10**9))
    return lambda: float(next(seconds))
