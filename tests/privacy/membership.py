"""Can it be told of a record whether a model was trained on it? Measured on those that stand out most.

Half of the records are trained on, the other half, drawn from the same source, never. An attack scores every record;
its threshold is where it is wrong about 1 % of the records that were never seen. Someone who guesses is right about
1 % of the others, too.

    (in tests/) python -m privacy.membership 20000
"""

from __future__ import annotations

import sys
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from attrs import frozen

from rowsmith import Synthesizer
from rowsmith.dialect import RecordDialect
from rowsmith.table import from_frame

from .canaries import rate_interval

Floats = npt.NDArray[np.float64]

_FALSE_ALARMS = 0.01
_HASHED = 1 << 13
_EXPOSED = 0.2
_NAMES = ("anna", "bert", "carl", "dora", "emil", "fred", "gina", "hans", "ines", "jack")
_PARTS = (
    ("called", "wrote", "came in", "sent a letter"),
    ("about the invoice", "about the parcel", "about a refund", "since nobody answered"),
    ("is angry", "is content", "wants to be called back", "will pay next week"),
)


@frozen
class Attack:
    """How well one kind of attack tells records apart.

    Attributes:
        found: The share of records trained on that it recognises where it is wrong about 1 % of the others.
        low: The least that this share may be, at 95 %.
        high: The greatest.
        area: The chance that a record trained on scores higher than one that was not; 0.5 is a guess.
    """

    found: float
    low: float
    high: float
    area: float


def people(rows: int, seed: int = 11) -> pd.DataFrame:
    """Records of people, with what tells them apart: free text, e-mails, telephones, numbers that hardly repeat."""
    chance = np.random.default_rng(seed)
    words = ["".join(chance.choice(list("abcdefghijklmnopqrstuvwxyz"), 7)) for _ in range(rows)]
    names = chance.choice(_NAMES, rows)
    note = [
        f"{name} {word} {' '.join(chance.choice(part) for part in _PARTS)}"
        for name, word in zip(names, words, strict=True)
    ]
    return pd.DataFrame(
        {
            "age": chance.integers(18, 95, rows),
            "town": chance.choice(["Ulm", "Rome", "Lyon", "Graz"], rows),
            "income": np.round(np.exp(chance.normal(10, 0.7, rows)), 2),
            "reference": chance.choice(900_000_000, rows) + 100_000_000,
            "born": (np.datetime64("1930-01-01") + chance.integers(0, 27_000, rows)).astype(str),
            "email": [f"{name}.{word}@example.org" for name, word in zip(names, words, strict=True)],
            "phone": [f"+49 {chance.integers(150, 180)} {chance.integers(1_000_000, 9_999_999)}" for _ in range(rows)],
            "note": note,
        }
    )


def exposed(frame: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """The fifth of the records whose text has most in it that no other record has, or whose income is furthest out."""
    grams = _grams(frame["note"].tolist())
    alone = grams[:, grams.sum(axis=0) == 1].sum(axis=1)
    far = np.abs(np.log(frame["income"]) - np.log(frame["income"]).mean()).to_numpy()
    rank = np.argsort(np.argsort(alone + far / far.max()))
    return np.asarray(rank >= (1 - _EXPOSED) * len(frame))


def by_loss(model: Synthesizer, frame: pd.DataFrame) -> Floats:
    """How likely the model finds each record: the mean log-probability of its tokens."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from rowsmith_backends.sampling.scoring import completion_log_probs

    bundle = model._fitted()
    assert bundle is not None
    folder = bundle.model_directory
    network: Any = AutoModelForCausalLM.from_pretrained(folder, trust_remote_code=False).eval()
    tokenizer: Any = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    columns = bundle.transforms.apply(from_frame(frame).columns)
    lines = RecordDialect(bundle.model_schema).encode(columns)
    ids = [tokenizer(line, add_special_tokens=False)["input_ids"] for line in lines]
    lengths = np.array(list(map(len, ids)), dtype=np.int32)
    padded = np.zeros((len(ids), int(lengths.max())), dtype=np.int32)
    for row, each in enumerate(ids):
        padded[row, : len(each)] = each
    scores = completion_log_probs(network, [[tokenizer.bos_token_id]] * len(ids), padded, lengths)
    return np.asarray(np.nanmean(scores, axis=1), dtype=np.float64)


def by_nearest(made: pd.DataFrame, frame: pd.DataFrame) -> Floats:
    """How much the text of each record has in common with the synthetic text that is nearest to it."""
    ours, theirs = _grams(frame["note"].tolist()), _grams(made["note"].dropna().tolist())
    common = ours @ theirs.T
    return np.asarray((common / (ours.sum(axis=1)[:, None] + theirs.sum(axis=1)[None] - common)).max(axis=1))


def attacked(scores: Floats, members: npt.NDArray[np.bool_]) -> Attack:
    """What an attack achieves.

    Args:
        scores: The score of each record, higher where it seems to have been trained on.
        members: Whether it was.
    """
    ours, others = scores[members], np.sort(scores[~members])
    threshold = others[-max(1, int(_FALSE_ALARMS * len(others)))]
    hits = int((ours > threshold).sum())
    below = np.searchsorted(others, ours, side="left") + np.searchsorted(others, ours, side="right")
    low, high = rate_interval(hits, len(ours))
    return Attack(hits / len(ours), low, high, float(below.mean() / 2 / len(others)))


def measured(rows: int, **settings: Any) -> dict[str, Attack]:
    """Train on half of so many records and attack all of them, and those that are exposed.

    Args:
        rows: The records in all.
        settings: Of the configuration.
    """
    frame = people(rows)
    members = np.random.default_rng(1).permutation(rows) < rows // 2
    settings = {**settings, "data": {"holdout": 0}}
    model = Synthesizer(**settings).fit(frame[members].reset_index(drop=True))
    made = model.sample(rows // 2)
    most = exposed(frame)
    scores = {"loss": by_loss(model, frame), "nearest text": by_nearest(made, frame)}
    return {
        f"{name}, {which}": attacked(each[chosen], members[chosen])
        for name, each in scores.items()
        for which, chosen in (("all", np.ones(rows, dtype=bool)), ("most exposed", most))
    }


def _grams(texts: list[str]) -> Floats:
    """Which of some thousands of hashed runs of four characters are in each text."""
    found = np.zeros((len(texts), _HASHED), dtype=np.float32)
    for row, text in enumerate(texts):
        found[row, [zlib.crc32(text[at : at + 4].encode()) % _HASHED for at in range(max(1, len(text) - 3))]] = 1
    return found


if __name__ == "__main__":
    for name, attack in measured(int(sys.argv[1])).items():
        print(f"{name}: {attack.found:.1%} ({attack.low:.1%} to {attack.high:.1%}) at 1 %; area {attack.area:.3f}")
