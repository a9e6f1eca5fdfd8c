"""Code and pages use field words; old habits do not come back.

Whole words are searched in each line, ignoring case. Ordinary phrases with such a word are removed first.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

CODE = [ROOT / "core", ROOT / "assemblers", ROOT / "backends", ROOT / "plugins"]
PAGES = sorted((ROOT / "docs").rglob("*.md"))
# Figures in the words of the scripts that they come from.
QUOTING = {"benchmarks.md", "zoo.md"}

PHRASES = re.compile(
    r"\b(in place|in memory|wall-clock|system clock|monotonic clock|stand-in)\b|\bplan\.clock\b|\bslots=|\.tell\(",
    re.IGNORECASE,
)

IN_CODE = {
    "told": "reported",
    "tell": "report, show, identify",
    "tells": "reports, shows, identifies",
    "telling": "counted, informative",
    "stands": "is, holds",
    "stand": "are",
    "anew": "again",
    "place": "index, position, location",
    "places": "indices, positions",
    "placing": "device placement",
    "kept": "retained",
    "keeper": "EMA and early-stopping callback",
    "company": "process group",
    "nobody": "none, unknown",
    "whoever": "the caller, the consumer",
    "by heart": "memorised",
    "dear": "expensive",
    "blanks": "spaces, masked inputs",
    "blanked": "masked",
    "settle": "out-of-memory retry",
    "settled": "decided",
    "settling": "out-of-memory retry",
    "choosing": "sampling",
    "asking": "out-of-memory retry",
    "claiming": "run ownership",
    "hands": "group position state",
    "clock": "time axis, position decoder",
    "slots": "cache indices",
    "all the same": "nevertheless",
    "for good": "permanently",
    "broken off": "interrupted",
    "knob": "setting",
}
"""The habit, and what to write."""

ON_PAGES = {
    "told": "reported",
    "tells": "reports, shows, identifies",
    "stands": "is, holds",
    "stand": "are",
    "anew": "again, generated",
    "place": "index, position",
    "places": "positions, fields",
    "nobody": "none, unknown",
    "whoever": "who",
    "by heart": "memorised",
    "dear": "expensive",
    "blanks": "spaces, empty fields",
    "hands": "passes",
    "settle": "decide",
    "settles": "decides",
    "for good": "permanently",
    "broken off": "interrupted",
    "taken up": "used, reused",
    "goes on": "continues",
    "found out": "detected",
}

SAVED = "a name in saved models"
TIME = "a clock that is read"
ALLOWED = {
    ("tell", "core/rowsmith/cli/display/streams.py"): "a method of streams",
    ("keeper", "backends/rowsmith_backends/training/checkpoint_callback.py"): "a key of saved states",
    ("keeper", "backends/rowsmith_backends/training/ema_callback.py"): "a file of saved states",
    ("blanked", "backends/rowsmith_backends/scratch/options.py"): "an option",
    ("blanked", "backends/rowsmith_backends/scratch/training/fit_settings.py"): "the same option",
    ("clock", "backends/rowsmith_backends/timeseries/backend.py"): TIME,
    ("clock", "backends/rowsmith_backends/training/ema_callback.py"): TIME,
    ("clock", "backends/rowsmith_backends/training/process_group.py"): TIME,
    ("clock", "backends/rowsmith_backends/training/state.py"): TIME,
    ("clock", "core/rowsmith/generation/batches/accounting.py"): TIME,
    ("clock", "core/rowsmith/generation/batches/accumulator.py"): TIME,
    ("clock", "core/rowsmith/generation/engine_backend.py"): TIME,
    ("slots", "plugins/rowsmith_plugins/transforms/keys/spread.py"): SAVED,
    ("slots", "plugins/rowsmith_plugins/transforms/keys/tiers.py"): SAVED,
    ("kept", "plugins/rowsmith_plugins/transforms/datetime/rare_days.py"): SAVED,
    ("kept", "plugins/rowsmith_plugins/transforms/rare/rules.py"): SAVED,
    ("kept", "plugins/rowsmith_plugins/transforms/rare/transform.py"): SAVED,
    ("places", "plugins/rowsmith_plugins/transforms/groups/order.py"): SAVED,
    ("slots", "plugins/rowsmith_plugins/transforms/texts/code_layouts.py"): SAVED,
    ("slots", "plugins/rowsmith_plugins/transforms/texts/codes.py"): SAVED,
    ("clock", "core/rowsmith/sequences/series_plan.py"): SAVED,
    ("clock", "core/rowsmith/sequences/ranges.py"): SAVED,
    ("place", "core/rowsmith/table/timing.py"): SAVED,
    ("place", "plugins/rowsmith_plugins/transforms/groups/order_positions.py"): "the name of a random stream",
}


def lines(paths: Iterable[Path]) -> Iterator[tuple[str, int, str]]:
    for path in paths:
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            yield path.relative_to(ROOT).as_posix(), number, PHRASES.sub("", line)


def found(word: str, paths: Iterable[Path]) -> list[str]:
    """Lines with a word that is not allowed there."""
    pattern = re.compile(rf"(?<![\w-]){re.escape(word)}(?![\w-])", re.IGNORECASE)
    return [
        f"{name}:{number}: {line.strip()}"
        for name, number, line in lines(paths)
        if pattern.search(line) and (word, name) not in ALLOWED
    ]


@pytest.mark.parametrize(("word", "instead"), IN_CODE.items(), ids=IN_CODE)
def test_code_does_not_use_the_word(word: str, instead: str) -> None:
    paths = sorted(path for root in CODE for path in root.rglob("*.py"))
    assert found(word, paths) == [], f"write {instead}"


@pytest.mark.parametrize(("word", "instead"), ON_PAGES.items(), ids=ON_PAGES)
def test_pages_do_not_use_the_word(word: str, instead: str) -> None:
    pages = [page for page in PAGES if page.name not in QUOTING]
    assert found(word, pages) == [], f"write {instead}"


@pytest.mark.parametrize(("word", "name"), ALLOWED, ids=[f"{word} in {name}" for word, name in ALLOWED])
def test_allowed_words_are_still_used(word: str, name: str) -> None:
    pattern = re.compile(rf"(?<!\w){re.escape(word)}(?!\w)")
    assert pattern.search((ROOT / name).read_text(encoding="utf-8"))
