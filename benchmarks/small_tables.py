"""Learn few rows of a table and tell what was learned from what was learned by heart.

    python -m benchmarks small-tables table.csv --rows 300 --seeds 0 1 2 --output out/

For each seed: so many random rows are learned with the defaults, and rows are written. The other rows of the
table, or those of ``--holdout``, are never seen. A line of a Markdown table for each seed:

* the bits that an unseen record costs the model, and what it costs when every column is on its own, at the
  shares of its values in the rows learned from (half a row is added to each value);
* the share of written rows that equal a row learned from, and that of unseen rows which do: copies beyond that
  would be rows learned by heart;
* the mean distance of a column, as in a run's summary.

Each seed leaves its three tables in the output folder, for a scorer of your choice. Bits count the tokens
after all transforms, in closed columns.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from transformers import AutoModelForCausalLM

from rowsmith import Synthesizer
from rowsmith.config import load_config
from rowsmith.context import BuildContext
from rowsmith.model import Bundle, load_bundle
from rowsmith.plugins import Registry
from rowsmith.randomness.seeds import Seeds
from rowsmith.runs.comparison.summary import summarize
from rowsmith.table import read_table
from rowsmith.vocabulary import ClosedField, Vocabulary
from rowsmith_backends.scratch.decoding.automaton import build_automaton
from rowsmith_backends.scratch.encoder import encode_table

_COLUMNS = (
    "seed", "rows", "epochs", "seconds", "bits a record, model", "bits a record, columns alone",
    "copies", "copies among unseen rows", "mean distance", "why it ended",
)  # fmt: skip
_MOST_UNSEEN = 10_000


def split(table: pd.DataFrame, holdout: pd.DataFrame | None, rows: int, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows to learn from, and rows that are never seen."""
    order = np.random.default_rng(seed).permutation(len(table))
    rest = table.iloc[order[rows:]] if holdout is None else holdout
    return table.iloc[order[:rows]], rest.iloc[:_MOST_UNSEEN]


def copies(rows: pd.DataFrame, learned: pd.DataFrame) -> float:
    """The share of rows that occur among those learned from, compared as text."""
    known = set(learned.itertuples(index=False, name=None))
    return float(np.mean([row in known for row in rows.itertuples(index=False, name=None)]))


def records(bundle: Bundle, path: Path) -> np.ndarray:
    """The ids of a file's records, ``[rows, columns]``, after the bundle's transforms."""
    vocabulary = bundle.vocabulary
    if vocabulary is None or not vocabulary.closed:
        raise SystemExit("a column is free text, or a number of too many values: there are no bits to compare")
    types = {column.name: column.type.value for column in bundle.table_schema}
    table = read_table(path, types=types)
    store = encode_table(bundle.transforms.apply(table.columns), vocabulary)
    return np.asarray(store.ids, dtype=np.int64).reshape(len(store), -1)


def model_bits(bundle: Bundle, ids: np.ndarray) -> float:
    """Mean bits of a record under the model, each token among those that may come."""
    vocabulary = bundle.vocabulary
    assert vocabulary is not None
    model = AutoModelForCausalLM.from_pretrained(bundle.model_directory, local_files_only=True).eval()
    slices = build_automaton(vocabulary).slices
    total = 0.0
    for block in np.array_split(ids, -(-len(ids) // 500)):
        inputs = np.concatenate([np.full((len(block), 1), vocabulary.bos_id), block[:, :-1]], axis=1)
        with torch.inference_mode():
            logits = model(torch.from_numpy(inputs)).logits.double()
        for place, found in enumerate(slices[: block.shape[1]]):
            assert found is not None
            chances = logits[:, place, found[0] : found[1]].log_softmax(-1)
            total -= float(chances.gather(1, torch.from_numpy(block[:, place : place + 1] - found[0])).sum())
    return total / np.log(2) / len(ids)


def alone_bits(vocabulary: Vocabulary, learned: np.ndarray, unseen: np.ndarray) -> float:
    """Mean bits of a record when every column is on its own."""
    total = 0.0
    for place, item in enumerate(vocabulary.fields):
        assert isinstance(item, ClosedField)
        counts = np.bincount(learned[:, place] - item.start, minlength=item.generated)[: item.generated] + 0.5
        total -= float(np.log2(counts / counts.sum())[unseen[:, place] - item.start].sum())
    return total / len(unseen)


def measure(learned: pd.DataFrame, unseen: pd.DataFrame, seed: int, folder: Path, settings: list[str]) -> list[str]:
    """One seed: the cells of its line."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = {name: folder / f"{name}.csv" for name in ("learned", "unseen", "synthetic")}
    learned.to_csv(paths["learned"], index=False)
    unseen.to_csv(paths["unseen"], index=False)
    config = load_config(None, settings, {"data": {"source": str(paths["learned"]), "holdout": 0}, "seed": seed})
    with tempfile.TemporaryDirectory() as run:
        synthesizer = Synthesizer(config=config, run_directory=run).fit(paths["learned"])
        synthesizer.sample(max(len(unseen), len(learned))).to_csv(paths["synthetic"], index=False)
        context = BuildContext(config=config, registry=Registry(), seeds=Seeds(seed), run_directory=None)
        bundle = load_bundle(Path(run) / "bundle", context)
        ids = {name: records(bundle, paths[name]) for name in ("learned", "unseen")}
        bits = model_bits(bundle, ids["unseen"])
    assert bundle.vocabulary is not None
    tables = {name: pd.read_csv(path, dtype=str, keep_default_na=False) for name, path in paths.items()}
    types = {column.name: column.type.value for column in bundle.table_schema}
    real, made = (read_table(paths[name], types=types).columns for name in ("unseen", "synthetic"))
    distance = np.mean([each.distance for each in summarize(real, made, bundle.table_schema)])
    report = synthesizer.report
    return [
        str(seed), f"{len(learned):,}", f"{report.epochs:.0f}", f"{report.seconds:.0f}", f"{bits:.2f}",
        f"{alone_bits(bundle.vocabulary, ids['learned'], ids['unseen']):.2f}",
        f"{copies(tables['synthetic'], tables['learned']):.4f}", f"{copies(tables['unseen'], tables['learned']):.4f}",
        f"{distance:.3f}", report.stop_reason,
    ]  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> None:
    """Run all seeds and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", type=Path)
    parser.add_argument("--holdout", type=Path, help="rows never seen; by default the rest of the table")
    parser.add_argument("--rows", type=int, default=300, help="rows to learn from")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--set", nargs="*", default=[], help="further settings, such as training.max_time=60s")
    parser.add_argument("--output", type=Path, default=Path("benchmark-output"))
    args = parser.parse_args(arguments)
    table, holdout = (
        None if path is None else pd.read_csv(path, dtype=str, keep_default_na=False)
        for path in (args.table, args.holdout)
    )
    print("| " + " | ".join(_COLUMNS) + " |\n|" + " --- |" * len(_COLUMNS), flush=True)
    for seed in args.seeds:
        learned, unseen = split(table, holdout, args.rows, seed)
        line = measure(learned, unseen, seed, args.output / f"seed{seed}", args.set)
        print("| " + " | ".join(line) + " |", flush=True)


if __name__ == "__main__":
    main()
