"""How much is done for a table, and what comes of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import pandas as pd
from attrs import field, frozen

from benchmarks.zoo.judging import Told

_INVENTED = "are replaced by invented labels"
"""What a run says of the labels that it invents."""
_SPELLED = "spelled as new text"
"""What a run says of columns of which only frequent values are labels."""


@frozen(kw_only=True)
class Effort:
    """How much is done for a table.

    Attributes:
        budget: Seconds of training.
        steps: Steps of training in place of seconds: a busy machine trains the same; None for seconds.
        fewest: The fewest rows that are made; as many as the table has, if that is more.
        most: The most.
        seed: The seed of the run.
    """

    budget: float = 12.0
    steps: int | None = None
    fewest: int = 300
    most: int = 2_000
    seed: int = 0

    def rows(self, table: pd.DataFrame) -> int:
        """How many rows are made."""
        return min(max(len(table), self.fewest), self.most)


@frozen(kw_only=True)
class Outcome:
    """How a run ended.

    Attributes:
        real: The table as it was given, read as the rows are; None when the run was refused or failed.
        synthetic: The rows.
        told: What the run said.
        refusal: The message of a typed error.
        crash: The traceback of any other.
        training: How training ended, in a few words.
    """

    real: pd.DataFrame | None = None
    synthetic: pd.DataFrame | None = None
    told: Told = field(factory=Told)
    refusal: str | None = None
    crash: str | None = None
    training: str = ""


def told_of(transforms: Mapping[str, Any], notes: tuple[str, ...], *, short: bool = False) -> Told:
    """What a run said: its notes, and the state of its transforms as a bundle holds it.

    Args:
        transforms: The state.
        notes: Notes and warnings.
        short: Whether fewer rows were said to be made than were asked for.
    """
    return Told(
        changed=_changed(transforms),
        notes=notes,
        keys=_keys(transforms),
        short=short,
        invented=_invented(transforms, notes),
    )


def _changed(state: Mapping[str, Any]) -> dict[str, float]:
    """The share of rows that all transforms together say they changed, by column."""
    total: dict[str, float] = {}
    for shares in state.get("changes", ()):
        for name, share in shares.items():
            total[name] = min(1.0, total.get(name, 0.0) + share)
    return total


def _keys(state: Mapping[str, Any]) -> Collection[str]:
    return {key["name"] for step in _steps(state, "keys") for key in step["keys"]}


def _invented(state: Mapping[str, Any], notes: tuple[str, ...]) -> Collection[str]:
    """Columns in which the run says that new labels stand for rare ones."""
    found = set[str]()
    if any(_INVENTED in note for note in notes):
        guards = [guard for step in _steps(state, "protect-rare") for guard in step["guards"].items()]
        found |= {name for name, guard in guards if guard["kind"] == "invented"}
    if any(_SPELLED in note for note in notes):
        found |= {each["name"] for step in _steps(state, "texts") for each in step["columns"] if each["rest"]}
    return found


def _steps(state: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    return [step["state"] for step in state["steps"] if step["name"].rpartition(":")[2] == name]
