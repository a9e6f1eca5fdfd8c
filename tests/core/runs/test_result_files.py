"""Files of a run: formats, refusals, and nothing half written."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from rowsmith.errors import DataError, MissingDependency, ParameterError, RunDirectoryError
from rowsmith.storage.run_directory import RunDirectory
from rowsmith.table import from_frame, read_table


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a.csv", "csv"),
        ("A.CSV.GZ", "csv.gz"),
        ("b.tsv", "tsv"),
        ("c.txt", "csv"),
        ("d.jsonl", "jsonl"),
        ("d.ndjson.gz", "jsonl.gz"),
        ("e.parquet", "parquet"),
        ("f.pq", "parquet"),
        (None, "parquet"),
    ],
)
def test_a_result_has_the_format_of_its_source(source: str | None, expected: str, tmp_path: Path) -> None:
    from rowsmith.runs.result_files import clear, existing_result, output_format, write_result

    table = from_frame(pd.DataFrame({"a": [1, 2], "b": ["x", None]}))
    assert output_format(source, table.schema) == expected
    directory = RunDirectory(tmp_path / "run")
    path = write_result(directory, table.columns, table.schema, expected)
    assert existing_result(directory) == path
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    again = read_table(path)
    assert again.columns.column("a").to_pylist() == ["1", "2"]
    assert again.columns.column("b").to_pylist() == ["x", None]
    clear(directory, model=False)
    assert existing_result(directory) is None


def test_an_output_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from rowsmith.runs import result_files

    table = from_frame(pd.DataFrame({"a": [1, 2]}))
    target = tmp_path / "my rows.csv"
    target.write_text("before")

    def fail(columns: Any, schema: Any, path: Path, format_: str | None, **_: Any) -> None:
        path.write_text("half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(result_files, "write_table", fail)
    with pytest.raises(RunDirectoryError, match="No space left"):
        result_files.write_output(target, table.columns, table.schema)
    assert target.read_text() == "before"
    assert [path.name for path in tmp_path.iterdir()] == ["my rows.csv"]


def test_outputs_that_cannot_be_written_are_refused_beforehand(tmp_path: Path) -> None:
    from rowsmith.runs.result_files import check_output

    for name in ("x.docx", "x", "no/x.csv"):
        with pytest.raises(DataError):
            check_output(tmp_path / name, force=True)
    (tmp_path / "x.csv").mkdir()
    with pytest.raises(DataError, match="folder"):
        check_output(tmp_path / "x.csv", force=True)
    (tmp_path / "y.csv").touch()
    with pytest.raises(RunDirectoryError, match="--force"):
        check_output(tmp_path / "y.csv", force=False)
    check_output(tmp_path / "y.csv", force=True)
    check_output(tmp_path / "out", force=False, format_="csv")


@pytest.mark.parametrize("with_text", [False, True])
def test_rejections_hold_cell_text_only_on_request(with_text: bool, tmp_path: Path) -> None:
    from rowsmith.runs.result_files import Rejections

    records = [('{"a":"secret"}', ("'secret' is not one of the values", "enum")), ("{}", ("too small", "age rule"))]
    batch = SimpleNamespace(invalid_records=lambda: iter(records), num_data_rejected_records=1)
    rejections = Rejections(with_text=with_text)
    rejections(SimpleNamespace(number=3, batch=batch))  # type: ignore[arg-type]
    lines = [json.loads(line) for line in rejections.write(RunDirectory(tmp_path)).read_text().splitlines()]
    assert [(line["batch"], line["stage"], line["reason"]) for line in lines] == [
        (3, "parsing", "enum"),
        (3, "constraints", "age rule"),
    ]
    assert ("secret" in json.dumps(lines)) is with_text


def test_demo_tables_lie_in_installed_packages() -> None:
    from rowsmith_plugins.demonstration.tables import DEMO_TABLES, demo_path

    rows = {"randhie": 20190, "fair": 6366, "tips": 244, "gapminder": 1704, "co2": 2284}
    for name, table in DEMO_TABLES.items():
        pytest.importorskip(table.package)
        assert len(read_table(demo_path(name))) == rows[name]


def test_demo_tables_without_their_package(monkeypatch: pytest.MonkeyPatch) -> None:
    from rowsmith_plugins.demonstration import tables as demo_tables

    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingDependency, match=r"rowsmith\[demo\]"):
        demo_tables.demo_path("tips")
    with pytest.raises(ParameterError, match="randhie"):
        demo_tables.demo_path("rand")


def test_a_fingerprint_follows_cells_and_not_codes() -> None:
    from rowsmith.runs.plan.planning import fingerprint

    frame = pd.DataFrame({"a": ["x", "y", None, "x"], "b": [1, 2, 3, 4]})
    table = from_frame(frame)
    assert fingerprint(table) == fingerprint(from_frame(frame.copy()))
    assert fingerprint(table.take([0, 1, 2, 3])) == fingerprint(table)
    others = [frame.iloc[::-1], frame.rename(columns={"a": "c"}), frame.assign(a=["x", "y", "", "x"])]
    assert len({fingerprint(table), *(fingerprint(from_frame(other)) for other in others)}) == 4
