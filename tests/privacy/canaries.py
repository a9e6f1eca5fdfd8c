"""Tables with a canary of every type, each in one row, or in all rows of one group; and a search for them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

OF_ONE = 17
"""The row, or the group, whose values are canaries."""


def plain(rows: int = 600) -> pd.DataFrame:
    """Rows that stand alone; the columns that are different in nearly every row hold nothing but canaries."""
    chance = np.random.default_rng(5)
    frame = pd.DataFrame(
        {
            "country": chance.choice(["Peru", "Chile", "Cuba"], rows),
            "level": chance.integers(1, 6, rows),
            "gain": np.where(chance.random(rows) < 0.7, 0, chance.integers(1, 9_000, rows)),
            "amount": np.round(chance.normal(50, 9, rows), 2),
            "bonus": np.full(rows, np.nan),
            "agreed": pd.array([None] * rows, dtype="boolean"),
            "blocked": np.zeros(rows, dtype=bool),
            "born": _days("1950-01-01", chance.integers(0, 9_000, rows)),
            "died": pd.Series([None] * rows, dtype=object),
            "visit": _times(chance, rows),
            "result": [f"{value:.1f}" for value in chance.normal(9, 2, rows)],
            "note": [" ".join(chance.choice(["called", "twice", "no", "answer", "paid"], 4)) for _ in range(rows)],
            "reference": chance.choice(900_000_000, rows, replace=False) + 100_000_000,
            "email": [f"{_word(chance)}.{_word(chance)}@example.org" for _ in range(rows)],
            "phone": [f"+49 {chance.integers(150, 180)} {chance.integers(1_000_000, 9_999_999)}" for _ in range(rows)],
            "account": [f"AC-{chance.integers(10**7, 10**8)}" for _ in range(rows)],
        }
    )
    planted = {
        "country": "canary-label",
        "level": 771_177,
        "gain": 31_337_731,
        "amount": 98_765.43,
        "bonus": 4_242_424.25,
        "agreed": True,
        "blocked": True,
        "born": "1901-02-03",
        "died": "1987-05-06",
        "visit": "2024-06-13 03:47:11",
        "result": "<canary-mark",
        "note": "canary-note of Xaver Qwxyzk",
    }
    for name, value in planted.items():
        frame.loc[OF_ONE, name] = value
    frame.loc[OF_ONE + 1, "note"] = " ".join(["canary-repeated"] * 40)
    frame.loc[OF_ONE + 2, "reference"] = frame.loc[OF_ONE + 3, "reference"]
    return frame


def grouped(groups: int = 60, size: int = 12) -> pd.DataFrame:
    """Records of groups; every name of a group is a canary, and so is what only one of them has, in all its records."""
    chance = np.random.default_rng(6)
    numbers, rows = np.repeat(np.arange(groups), size), groups * size
    own = numbers == OF_ONE
    names = [f"{_word(chance)}{_word(chance)}" for _ in range(groups)]
    return pd.DataFrame(
        {
            "who": [names[number] for number in numbers],
            "city": np.where(own, "canary-city", chance.choice(["Ulm", "Rome"], groups)[numbers]),
            "day": _days("2024-01-01", np.where(own, -41_000, 0) + chance.integers(0, 200, rows)),
            "code": np.where(own, "canary-code", chance.choice(["a", "b", "c"], rows)),
            "score": np.where(own, 77_123, chance.integers(1, 9, rows)),
            "sum": np.where(own, 98_765.43, np.round(chance.normal(50, 9, rows), 2)),
            "flag": own,
            "result": np.where(own, "<canary-mark", [f"{value:.1f}" for value in chance.normal(9, 2, rows)]),
            "seen": np.where(own, "1987-05-06", _days("2024-01-01", chance.integers(0, 200, rows))),
            "text": np.where(own, "canary-text of Xaver Qwxyzk", [_sentence(chance) for _ in range(rows)]),
        }
    )


def series(count: int = 40, length: int = 16) -> pd.DataFrame:
    """Readings over time; every name of a series is a canary, and so is what only one of them has."""
    chance = np.random.default_rng(7)
    numbers, rows = np.repeat(np.arange(count), length), count * length
    own = numbers == OF_ONE
    times = pd.Timestamp("2024-03-01") + pd.to_timedelta(np.tile(np.arange(length), count), unit="h")
    level = np.round(20 + 5 * np.sin(np.tile(np.arange(length), count)) + chance.normal(0, 1, rows), 1)
    names = [f"{_word(chance)}{_word(chance)}" for _ in range(count)]
    return pd.DataFrame(
        {
            "patient": [names[number] for number in numbers],
            "time": times.strftime("%Y-%m-%d %H:%M:%S"),
            "ward": np.where(own, "canary-ward", chance.choice(["north", "south"], rows)),
            "pulse": np.where(own, 98_765.5, level),
            "alarm": own,
            "staff": np.where(own, 77_123, chance.integers(1, 9, rows)),
        }
    )


def canaries(frame: pd.DataFrame) -> dict[str, list[str]]:
    """The texts to search for, by type."""
    found = {
        "label": ["canary-label", "canary-city", "canary-code", "canary-ward"],
        "text": ["canary", "Xaver", "Qwxyzk"],
        "mark": ["canary-mark"],
        "integer": ["771177", "31337731", "77123"],
        "decimal": ["98765.43", "98765.5", "4242424"],
        "date": ["1901-02-03", "1987-05-06", *(f"{year}-" for year in (1911, 1912))],
        "time of day": ["03:47:11"],
    }
    for name in ("who", "patient", "email", "phone", "account", "reference"):
        if name in frame:
            found[f"every {name}"] = sorted(set(frame[name].astype(str)))
    return found


def searched(folder: Path) -> Iterator[tuple[str, str]]:
    """The name and the text of each file under a folder; Parquet as its cells and its own words."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield path.name, path.read_bytes().decode("utf-8", "replace")
            if path.suffix == ".parquet":
                table = pq.read_table(path)
                yield f"{path.name} (cells)", "\n".join(map(str, table.to_pylist())) + str(table.schema)


def sightings(places: Mapping[str, str], frame: pd.DataFrame) -> list[tuple[str, str, str]]:
    """Every canary that is anywhere: its type, itself, and where it is."""
    return [
        (kind, text, place)
        for place, content in places.items()
        for kind, texts in canaries(frame).items()
        for text in texts
        if _is_in(text, content)
    ]


def _is_in(text: str, content: str) -> bool:
    if not text.replace(".", "").isdigit():
        return text in content
    # Files hold numbers of seventeen digits, and any five digits lie in some of them.
    return re.search(rf"(?<![\d.]){re.escape(text)}(?!\d)", content) is not None


def _days(start: str, offsets: np.ndarray) -> np.ndarray:
    return np.array((np.datetime64(start) + offsets.astype("timedelta64[D]")).astype(str), dtype=object)


def _times(chance: np.random.Generator, rows: int) -> list[str]:
    days, hours = chance.integers(1, 13, rows), chance.integers(9, 17, rows)
    return [f"2024-{day:02d}-01 {hour:02d}:00:00" for day, hour in zip(days, hours, strict=True)]


def _word(chance: np.random.Generator) -> str:
    return "".join(chance.choice(list("abcdefghijklmnopqrstuvwxyz"), 6))


def _sentence(chance: np.random.Generator) -> str:
    return " ".join(chance.choice(["called", "twice", "no", "answer", "paid", "refund"], 5))


def rate_interval(hits: int, tries: int) -> tuple[float, float]:
    """Wilson's interval of a rate, at 95 %."""
    z, share = 1.96, hits / tries
    middle = (share + z * z / (2 * tries)) / (1 + z * z / tries)
    half = z * math.sqrt(share * (1 - share) / tries + z * z / (4 * tries * tries)) / (1 + z * z / tries)
    return max(0.0, middle - half), min(1.0, middle + half)
