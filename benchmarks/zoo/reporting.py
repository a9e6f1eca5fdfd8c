"""What a zoo found, as Markdown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd

from benchmarks.reports import machine, markdown
from benchmarks.zoo.invariants import Fault
from benchmarks.zoo.judging import Verdict
from benchmarks.zoo.protection import given_up
from benchmarks.zoo.verdicts import Judged, counts

_MOST_FAULTS = 4
_MESSAGE = 160


def report(settings: Mapping[str, Any], judged: Sequence[Judged], load: Callable[[str], pd.DataFrame]) -> str:
    """The counts, then every table that is not right, and why.

    Args:
        settings: Those of the zoo.
        judged: The verdicts.
        load: Gives a table by its name.
    """
    found = counts(judged)
    ruled = {each.animal for each in judged if given_up(each, load)}
    head = markdown(
        ("seed", "tables", *(verdict.value for verdict in Verdict), "told, by the rule of protection alone"),
        [
            (
                str(settings.get("seed", "")),
                f"{len(judged):,}",
                *(str(found[verdict]) for verdict in Verdict),
                str(len(ruled)),
            )
        ],
    )
    others = sorted(
        (each for each in judged if each.verdict is not Verdict.RIGHT),
        key=lambda each: (list(Verdict).index(each.verdict), each.name),
    )
    parts = [head]
    if others:
        lines = [(each.name, each.form, _verdict(each, each.animal in ruled), _why(each)) for each in others]
        parts.append(markdown(("table", "form", "verdict", "why"), lines))
    broken = Counter(fault.invariant for each in judged for fault in each.silent)
    if broken:
        rows = [(name, f"{count:,}") for name, count in broken.most_common()]
        parts.append(markdown(("invariant that does not hold, untold", "columns"), rows))
    parts.append(machine())
    return "\n\n".join(parts)


def _verdict(judged: Judged, ruled: bool) -> str:
    return f"{judged.verdict.value}, by the rule" if ruled else judged.verdict.value


def line(judged: Judged) -> str:
    """One line for a table that has just been judged."""
    size = f"{judged.rows:,} x {judged.columns}"
    head = f"{judged.verdict.value:8} {judged.name} ({judged.form}, {size}, {judged.seconds:.0f} s)"
    return ": ".join(filter(None, (head, _why(judged))))


def _why(judged: Judged) -> str:
    if judged.message:
        lines = judged.message.strip().splitlines()
        chosen = lines[-1] if judged.verdict is Verdict.CRASHED else " ".join(map(str.strip, lines))
        return chosen if len(chosen) <= _MESSAGE else chosen[: _MESSAGE - 1] + "…"
    # A table whose faults were told is named by those; of another one only what nobody told matters.
    named = judged.silent or judged.told
    words = [_words(fault) for fault in named[:_MOST_FAULTS]]
    further = len(named) - len(words)
    return "; ".join([*words, *([f"{further} more"] if further else [])])


def _words(fault: Fault) -> str:
    of_table = fault.invariant in ("columns", "rows")
    where = "" if of_table else f"`{fault.column}`: " if fault.column else "row names: "
    return f"{where}{fault.invariant}, {fault.detail}"
