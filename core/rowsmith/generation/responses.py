"""What a processor answered: whether it keeps its contract, and the tokens of its records."""

from __future__ import annotations

from rowsmith.errors import PluginContractError
from rowsmith.generation.processors import ParsedResponse, Processor
from rowsmith.generation.records import record_text
from rowsmith.generation.requests import Completion
from rowsmith.generation.tokens import TokenCounter

__all__ = ["check_response", "token_shares"]


def check_response(response: object, processor: Processor) -> None:
    """Refuse what is no response.

    Raises:
        PluginContractError: It is of another type, its errors are not one for each invalid record, or its groups
            do not hold its valid records.
    """
    name = type(processor).__qualname__
    if not isinstance(response, ParsedResponse):
        raise PluginContractError(
            f"processor {name} returned {type(response).__name__}; it must return a ParsedResponse"
        )
    if len(response.errors) != len(response.invalid_records):
        raise PluginContractError(
            f"processor {name} returned {len(response.errors)} errors for {len(response.invalid_records)} invalid "
            f"records; it must give one error for each"
        )
    sizes = response.group_sizes
    if sizes is not None and (sum(sizes) != len(response.valid_records) or min(sizes, default=1) < 1):
        raise PluginContractError(
            f"processor {name} returned groups of {sizes} records for {len(response.valid_records)} valid records; "
            "each group must have some, and together they must be the valid ones"
        )


def token_shares(
    counter: TokenCounter, completion: Completion, response: ParsedResponse, total: int
) -> tuple[list[int], list[int]]:
    """Tokens of each valid and of each invalid record of a response.

    Args:
        counter: Counts tokens.
        completion: What was read.
        response: The records that it holds.
        total: Length of the completion in tokens.
    """
    num_valid = len(response.valid_records)
    if response.valid_spans is None or response.invalid_spans is None:
        texts = [record_text(record) for record in response.valid_records]
        shares = (
            counter.capped([*texts, *response.invalid_records], total)
            if total
            else [0] * (num_valid + len(response.errors))
        )
        return shares[:num_valid], shares[num_valid:]
    spans = [*response.valid_spans, *response.invalid_spans]
    if len(spans) == 1:
        shares = counter.shares(completion, spans, total)
        return shares[:num_valid], shares[num_valid:]
    order = sorted(range(len(spans)), key=spans.__getitem__)
    shares = [0] * len(spans)
    for place, share in zip(order, counter.shares(completion, [spans[place] for place in order], total), strict=True):
        shares[place] = share
    return shares[:num_valid], shares[num_valid:]
