"""The benchmarks run, on tiny tables; what they measure is not judged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from benchmarks import __main__ as command
from benchmarks import (
    assembly,
    fidelity,
    hashes,
    packing_groups,
    parsing,
    reports,
    sequence_measures,
    series_measures,
    startup,
    tables,
)
from benchmarks.processes import measured, python

from rowsmith.table import read_table


@pytest.fixture
def census(tmp_path: Path) -> Path:
    path = tmp_path / "census.csv"
    tables.made_frame(300).to_csv(path, index=False)
    return path


def lines(text: str) -> list[list[str]]:
    """The cells of all table rows."""
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("|")]


def test_markdown() -> None:
    assert reports.markdown(("a", "b"), [("1", "x|y")]) == "| a | b |\n| --- | --- |\n| 1 | x\\|y |"
    assert reports.machine().startswith("Machine: ")


def test_names(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--help"]) == 0
    told = capsys.readouterr().out
    assert all(name in told for name in command.NAMES)
    assert command.main([]) == 0
    assert command.main(["speed"]) == 2
    for name in command.NAMES:
        with pytest.raises(SystemExit) as ended:
            command.main([name, "--help"])
        assert ended.value.code == 0


def test_fidelity(census: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for seed in (1, 2, 3):
        tables.made_frame(300, seed).to_csv(tmp_path / f"{seed}.csv", index=False)
    paths = [str(tmp_path / f"{seed}.csv") for seed in (2, 3)]
    arguments = ["--train", str(census), "--holdout", str(tmp_path / "1.csv"), "--target", "income", "--repeats", "1"]
    command.main(["fidelity", *arguments, *paths])
    head, _, ceiling, *rest, mean = lines(capsys.readouterr().out)
    assert head[2:] == list(fidelity.MEASURES)
    assert ceiling[0] == "real held-out rows"
    assert [line[0] for line in rest] == ["2", "3"]
    assert float(mean[2].strip("*")) == pytest.approx(np.mean([float(line[2]) for line in rest]), abs=1e-4)


@pytest.fixture(scope="module")
def scorer() -> fidelity.Scorer:
    return fidelity.Scorer.of(tables.made_frame(300), tables.made_frame(100, 1), "income", 1)


@pytest.fixture(scope="module")
def usual(scorer: fidelity.Scorer) -> dict[str, float]:
    return scorer.score(tables.made_frame(100, 2))


ODD_TABLES = {
    "copies": lambda table: tables.made_frame(300),
    "one row": lambda table: pd.concat([tables.made_frame(300).iloc[:1]] * 100, ignore_index=True),
    "further columns": lambda table: table.assign(further=1),
    "text for numbers": lambda table: table.assign(age="old"),
    "numbers as text": lambda table: table.astype({"age": str}),
    "unseen categories": lambda table: table.assign(race="another"),
    "nothing but nulls": lambda table: table.assign(race=None, age=np.nan),
    "infinite": lambda table: table.assign(age=np.inf),
    "one class": lambda table: table.assign(income=table["income"].iloc[0]),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("change", ODD_TABLES)
def test_odd_synthetic_tables_have_scores(scorer: fidelity.Scorer, usual: dict[str, float], change: str) -> None:
    found = scorer.score(ODD_TABLES[change](tables.made_frame(100, 2)))
    assert all(np.isfinite(found[name]) for name in fidelity.MEASURES if name != "TSTR AUC")
    if change in ("copies", "one row"):
        assert found["copies"] == found["DCR share"] == 1
    elif change in ("further columns", "numbers as text"):
        assert found == usual
    else:
        assert found["shape"] < usual["shape"]
        assert found["C2ST"] > usual["C2ST"]


def test_tables_that_cannot_be_scored_are_refused(scorer: fidelity.Scorer) -> None:
    table = tables.made_frame(100, 2)
    with pytest.raises(SystemExit, match="misses the columns age, race"):
        scorer.score(table.drop(columns=["age", "race"]))
    with pytest.raises(SystemExit, match="0 rows; at least 10"):
        scorer.score(table.iloc[:0])
    with pytest.raises(SystemExit, match="every held-out row is a training row"):
        fidelity.Scorer.of(table, table.iloc[:50])


@pytest.fixture
def sequences(tmp_path: Path) -> list[str]:
    """Training and held-out groups, and the options that name them."""
    random = np.random.default_rng(0)
    for name, groups in {"train": range(40), "holdout": range(40, 60)}.items():
        lines = [
            f"u{group},{day},{random.choice(['in', 'out'])}" for group in groups for day in range(random.integers(1, 5))
        ]
        (tmp_path / f"{name}.csv").write_text("\n".join(["user,day,what", *lines]) + "\n")
    paths = ["--train", str(tmp_path / "train.csv"), "--holdout", str(tmp_path / "holdout.csv")]
    return [*paths, "--group", "user", "--order", "day"]


def test_sequences_that_are_there(sequences: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    command.main(["sequences", *sequences, sequences[1], sequences[3]])
    head, _, ceiling, train, holdout = lines(capsys.readouterr().out)
    assert head[2:] == list(sequence_measures.MEASURES)
    assert [line[0] for line in (ceiling, train, holdout)] == ["real held-out groups", "train", "holdout"]
    assert ceiling[1:] == holdout[1:]
    assert train[2:] == ["0.0000", "1.0000", "1.0000", "1.0000", "1.0000", "0.0000", "0.0000", ""]


@pytest.mark.slow
def test_sequences_that_are_made(sequences: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--budgets", "3steps", "--seeds", "0", "--output", str(tmp_path / "out")]
    command.main(["sequences", *sequences, *options])
    last = lines(capsys.readouterr().out)[-1]
    assert last[0] == "3steps, seed 0"
    assert last[6] == "1.0000"  # in order
    made = pd.read_csv(tmp_path / "out" / "train-3steps-seed0.csv")
    assert made["user"].nunique() == 40


@pytest.fixture
def sales(tmp_path: Path) -> Path:
    """A single time series."""
    path = tmp_path / "sales.csv"
    days = pd.date_range("2024-01-01", periods=40).strftime("%Y-%m-%d")
    pd.DataFrame({"day": days, "sold": np.tile([1, 2, 5, 3], 10)}).to_csv(path, index=False)
    return path


def test_time_series_that_are_there(sales: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command.main(
        ["time-series", "--train", str(sales), "--time", "day", "--tail", "0.2", "--output", str(tmp_path), str(sales)]
    )
    head, _, *rest = lines(capsys.readouterr().out)
    assert head[2:] == list(series_measures.MEASURES)
    assert [line[:2] for line in rest] == [
        ["real training series", "32"],
        ["real held-out series", "8"],
        ["sales", "40"],
    ]


@pytest.mark.slow
def test_time_series_that_are_made(sales: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = [
        "--time",
        "day",
        "--tail",
        "0.2",
        "--budgets",
        "3steps",
        "--seeds",
        "0",
        "--output",
        str(tmp_path / "out"),
    ]
    command.main(["time-series", "--train", str(sales), *options])
    last = lines(capsys.readouterr().out)[-1]
    assert last[:4] == ["3steps, seed 0", "32", "1.0000", "1.0000"]


def test_null_and_the_text_na_are_not_one(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("a,b\nNA,1\n,2\n")
    assert fidelity.read_csv(path)["a"].tolist()[0] == "NA"
    assert fidelity.read_csv(path)["a"].isna().tolist() == [False, True]


def test_a_table_repeated_with_noise(census: Path, tmp_path: Path) -> None:
    base = read_table(census)
    tables.write_repeated(base, 1_000, tmp_path / "long.csv")
    tables.write_repeated(base, 1_000, tmp_path / "long.parquet")
    assert read_table(tmp_path / "long.parquet").columns.equals(read_table(tmp_path / "long.csv").columns)
    again = read_table(tmp_path / "long.csv")
    assert len(again) == 1_000
    assert again.schema.names == base.schema.names
    for column in base.schema:
        assert again.schema[column.name].type is column.type


def test_both_ways_of_assembly_agree(census: Path) -> None:
    prepared = assembly.prepare(census)
    columns = tables.resampled(prepared.columns, 200, np.random.default_rng(0))
    store = assembly.tokenize(prepared, columns)
    metadata = assembly.packed(prepared.model.metadata)
    part = columns.slice(0, 90)
    assert assembly.reference_seconds(prepared, part, store, metadata) > 0
    examples = assembly.assemble(columns, prepared.model.tokenizer, metadata, store)
    assert sum(len(example["input_ids"]) - 2 for example in examples.train) == len(store.ids)


@pytest.mark.parametrize("mode", packing_groups.MODES)
def test_both_ways_of_packing_groups_hold_the_same_records(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "visits.csv"
    path.write_text("who,day,pay\n" + "".join(f"{row % 7},{99 - row},{row * row}\n" for row in range(90)))
    table = read_table(path)
    store = packing_groups.tokenize(table)
    given = (mode, table, store, "who", "day", 60)
    quick, slow = packing_groups.fast(*given), list(packing_groups.slow(*given))
    held = [
        sorted(token for example in way for token in example["input_ids"])
        for way in ([quick.example(i) for i in range(len(quick))], slow)
    ]
    assert [each.count(1) for each in held] == [each.count(2) for each in held]
    assert [[token for token in each if token not in (1, 2)] for each in held] == [sorted(store.ids.tolist())] * 2
    assert mode == "sequential" or held[0] == held[1]


@pytest.mark.slow
def test_packing_groups(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "visits.csv"
    path.write_text("who,day,pay\n" + "".join(f"{row % 7},{99 - row},{row * row}\n" for row in range(90)))
    arguments = ["--table", str(path), "--group-by", "who", "--order-by", "day", "--context", "60"]
    command.main(["packing-groups", *arguments])
    told = capsys.readouterr().out
    assert [line[0] for line in lines(told)][2:] == ["grouped", "sequential"]
    assert "90 rows in 7 groups" in told and "7 groups are longer" in told


def test_an_ordinary_tokenizer_packs(census: Path) -> None:
    rows, words, tokens, *_ = assembly.ordinary_line(tables.base_table(census))
    assert rows == "300"
    assert int(words.replace(",", "")) > 256
    assert int(tokens.replace(",", "")) > 300


def test_completions_are_read_alike_as_columns_and_as_text(census: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("transformers")
    command.main(["completions", "--table", str(census), "--rows", "60"])
    assert len(lines(capsys.readouterr().out)) == 8


def test_parsing(capsys: pytest.CaptureFixture[str]) -> None:
    command.main(["parsing", "--rows", "60", "--slow-rows", "5"])
    assert len(lines(capsys.readouterr().out)) == 4
    assert parsing.wide_table(5)[1].num_columns == parsing.COLUMNS


def test_a_process_is_measured() -> None:
    usage = measured(python("-c", "print('x' * 3); b'1' * (1 << 27)"))
    assert usage.output == "xxx\n"
    assert usage.resident > 64
    with pytest.raises(RuntimeError, match="no such thing"):
        measured(python("-c", "raise SystemExit('no such thing')"))


def test_hashes_are_compared_with_those_of_before(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = {"rows": "12", "weights": "34"}
    monkeypatch.setattr(hashes, "hashes", lambda name, tree, folder: found)
    command.main(["hashes"])
    before = tmp_path / "before.txt"
    before.write_text(capsys.readouterr().out)
    for digest, code in (("34", 0), ("35", 1)):
        found["weights"] = digest
        with pytest.raises(SystemExit) as ended:
            command.main(["hashes", "--modes", "plain", "--expect", str(before)])
        assert ended.value.code == code
    assert "not as expected:\nplain        weights  35\n" in capsys.readouterr().out


def test_the_base_model_that_is_hashed_is_that_of_the_tests() -> None:
    assert "def make_base(" in hashes.BASE_MODELS.read_text(encoding="utf-8")


def test_import_times() -> None:
    text = "import time: self [us] | cumulative | imported package\n"
    text += "import time: 2000000 | 9 | a.b\nimport time: 5 | 9 | c\n"
    text += "import time:   1000000 |   9 |     a\n"
    assert startup.import_times(text) == [("a", 3.0), ("c", 5e-06)]


@pytest.mark.slow
def test_whole_benchmarks(census: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command.main(["memory", "--table", str(census), "--rows", "300", "600", "--formats", "csv", "parquet"])
    told = [line[:2] for line in lines(capsys.readouterr().out)]
    assert told[2:] == [["csv", "300"], ["csv", "600"], ["parquet", "300"], ["parquet", "600"]]
    command.main(["assembly", "--table", str(census), "--rows", "300"])
    assert len(lines(capsys.readouterr().out)) == 6
    command.main(["startup", "--table", str(census), "--times", "1"])
    found = [line[0] for line in lines(capsys.readouterr().out)]
    assert "to the first step: all of it" in found


@pytest.mark.slow
def test_training_and_scores(census: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    holdout, goals = tmp_path / "holdout.csv", tmp_path / "goals.csv"
    tables.made_frame(100, 1).to_csv(holdout, index=False)
    goals.write_text("budget,measure,goal\n3steps,C2ST,<= .515\n")
    options = ["--table", str(census), "--holdout", str(holdout), "--target", "income", "--goals", str(goals)]
    more = ["--budgets", "3steps", "--seeds", "0", "1", "--rows", "100", "--output", str(tmp_path / "out")]
    command.main(["plain-table", *options, *more])
    first = [line[0] for line in lines(capsys.readouterr().out)]
    assert first[-5:] == ["real held-out rows", "goal, 3steps", "**3steps, mean**", "3steps, seed 0", "3steps, seed 1"]
    goals.write_text("budget,measure,goal\n3steps,likeness,1\n")
    with pytest.raises(SystemExit, match="likeness"):
        command.main(["plain-table", *options])


def test_training(capsys: pytest.CaptureFixture[str]) -> None:
    command.main(["training", "--tokens", "5", "--vocabulary", "20", "--batch", "4", "--steps", "1", "--groups", "3"])
    head, _, *rest = lines(capsys.readouterr().out)
    assert head[0] == "step"
    groups = [line[0] for line in rest].index("groups")
    assert {line[0] for line in rest[:groups]} == {"bare products", "AdamW", "Muon"}
    assert [line[1] for line in rest[groups + 2 :]] == ["yes", "not rounded", "yes"]


def test_sampling(census: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command.main(["sampling", "--table", str(census), "--rows", "40", "--steps", "2"])
    _, _, *rest = lines(capsys.readouterr().out)
    assert [line[:2] for line in rest] == [
        [order, dtype] for order in ("table's", "narrow first") for dtype in ("float32", "bfloat16")
    ]


def test_engines(census: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--rows", "40", "--budget", "2steps", "--seeds", "0", "1", "--backends", "transformers"]
    command.main(["engines", "--table", str(census), *options, "--output", str(tmp_path)])
    printed = capsys.readouterr().out
    assert printed.count("| transformers |") == 2
    assert len(pd.read_csv(tmp_path / f"{census.stem}-transformers-seed1.csv")) == 40


def test_pretrained_sampling(capsys: pytest.CaptureFixture[str]) -> None:
    command.main(["pretrained-sampling", "--rows", "3", "--tokens", "5", "--repeats", "1"])
    assert len(lines(capsys.readouterr().out)) == 5
