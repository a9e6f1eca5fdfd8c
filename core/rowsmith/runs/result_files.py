"""The files of a result: the synthetic table, its metrics, and the rejected records.

Every file is written under a temporary name and renamed when it is complete, and is readable by its owner alone.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import IO, TYPE_CHECKING, Any

import attrs

from rowsmith import __version__
from rowsmith.errors import DataError, RunDirectoryError
from rowsmith.evaluation.files import EVALUATION_FILE, PAGE_FILE
from rowsmith.model.bundle import BUNDLE_FILE
from rowsmith.model.checkpoints import CHECKPOINT_FOLDER
from rowsmith.runs.comparison.series_plot import PLOT_FILE
from rowsmith.runs.generations import GENERATIONS_FILE, journals
from rowsmith.runs.plan import PLAN_FILE
from rowsmith.runs.stages import BUNDLE_FOLDER
from rowsmith.storage.disk_errors import explain_disk_errors, is_full
from rowsmith.table.files import FORMATS, write_table
from rowsmith.table.schema import Source, TableSchema

if TYPE_CHECKING:
    import pyarrow as pa

    from rowsmith.config import GenerationConfig
    from rowsmith.generation import BatchFinished, GenerateJobResults
    from rowsmith.model import TrainingReport
    from rowsmith.runs.comparison.summary import ColumnSummary
    from rowsmith.storage.run_directory import RunDirectory
    from rowsmith.transforms import RetainedRelation

__all__ = [
    "METRICS_FILE",
    "REJECTED_FILE",
    "Rejections",
    "beside",
    "check_output",
    "clear",
    "existing_result",
    "has_model",
    "metrics",
    "output_format",
    "present",
    "write_output",
    "write_result",
]

METRICS_FILE = "metrics.json"
REJECTED_FILE = "rejected.jsonl"
_RESULT = "synthetic"
_OF_MODEL = (CHECKPOINT_FOLDER, BUNDLE_FOLDER, GENERATIONS_FILE, PLAN_FILE)
_SUFFIXES = {"csv": ".csv", "tsv": ".tsv", "jsonl": ".jsonl", "parquet": ".parquet"}
_MOST_REJECTIONS = 100_000


def output_format(source: str | None, schema: TableSchema) -> str:
    """The format a result is written in: that of the table it was learned from.

    Args:
        source: The file that was read; None for a DataFrame.
        schema: The table's columns.

    Returns:
        ``csv``, ``tsv``, ``jsonl`` or ``parquet``; text formats followed by ``.gz`` when the source was
        compressed.
    """
    name = (source or "").lower()
    base = name.removesuffix(".gz")
    found = FORMATS.get(os.path.splitext(base)[1])
    if found is None:
        return "parquet" if schema.columns[0].storage.source is Source.PANDAS else "csv"
    return found if base == name else f"{found}.gz"


def existing_result(directory: RunDirectory) -> Path | None:
    """The synthetic table that a run directory holds, if it does."""
    return next((directory.path(name) for name in _tables() if directory.exists(name)), None)


def _tables() -> list[str]:
    return [f"{_RESULT}{suffix}{ending}" for suffix in _SUFFIXES.values() for ending in ("", ".gz")]


def has_model(directory: RunDirectory) -> bool:
    """Whether a run directory holds a trained model."""
    return directory.exists(f"{BUNDLE_FOLDER}/{BUNDLE_FILE}")


def clear(directory: RunDirectory, *, model: bool) -> None:
    """Remove an earlier result.

    Args:
        directory: The run directory.
        model: Whether the trained model, the state of a training and the plan go as well.
    """
    for name in present(directory, model=model):
        directory.discard(name)


def present(directory: RunDirectory, *, model: bool) -> list[str]:
    """What an earlier result consists of, by name; the plan last, since it describes the rest.

    Args:
        directory: The run directory.
        model: Whether the trained model, the state of a training, unfinished rows and the plan are part of it.
    """
    rows = (*_tables(), METRICS_FILE, REJECTED_FILE, PLOT_FILE, EVALUATION_FILE, PAGE_FILE)
    unfinished = [path.name for path in journals(directory)] if model else []
    return [*unfinished, *filter(directory.exists, (*rows, *(_OF_MODEL if model else ())))]


def write_result(
    directory: RunDirectory, columns: pa.Table, schema: TableSchema, format_: str, *, csv_safe: bool = False
) -> Path:
    """Write the synthetic table to its run directory.

    Args:
        directory: The run directory.
        columns: The spelled table.
        schema: Its columns.
        format_: As ``output_format`` gives it.
        csv_safe: As for ``write_table``.

    Returns:
        The file.
    """
    base = format_.removesuffix(".gz")
    name = f"{_RESULT}{_SUFFIXES[base]}{'.gz' if base != format_ else ''}"
    with directory.writing(name) as partial:
        write_table(columns, schema, partial, csv_safe=csv_safe)
    return directory.path(name)


def check_output(path: Path, *, force: bool, format_: str | None = None) -> None:
    """Refuse, before any work is done, an output file that could not be written.

    Args:
        path: The file.
        force: Whether an existing file may be overwritten.
        format_: The format, where the file's suffix does not say it.

    Raises:
        DataError: Its format is not known, its folder is missing or it is a folder.
        RunDirectoryError: It exists, or its folder cannot be written to.
    """
    base = path.name.lower().removesuffix(".gz")
    if format_ is None and os.path.splitext(base)[1] not in FORMATS:
        raise DataError(f"the format of {path.name!r} is not known; name the output with one of {', '.join(FORMATS)}")
    if path.is_dir():
        raise DataError(f"the output {path} is a folder; name a file in it")
    if not path.absolute().parent.is_dir():
        raise DataError(f"the output's folder {path.parent} does not exist; create it first")
    if path.exists() and not force:
        raise RunDirectoryError(f"{path} exists. Give another name, or overwrite it with --force.")
    with explain_disk_errors("write to", path.absolute().parent), tempfile.TemporaryFile(dir=path.absolute().parent):
        pass


def write_output(
    target: Path | IO[bytes],
    columns: pa.Table,
    schema: TableSchema,
    format_: str | None = None,
    *,
    csv_safe: bool = False,
) -> None:
    """Write the synthetic table where the user wants it.

    Args:
        target: A file, written whole or not at all; or an open binary stream.
        columns: The spelled table.
        schema: Its columns.
        format_: The format; by default what the file's suffix says.
        csv_safe: As for ``write_table``.

    Raises:
        RunDirectoryError: The file or the stream cannot be written to.
        BrokenPipeError: The reader of the stream has closed it.
    """
    if not isinstance(target, Path):
        _write_stream(target, columns, schema, format_, csv_safe=csv_safe)
        return
    try:
        with beside(target) as partial:
            write_table(columns, schema, partial, format_, csv_safe=csv_safe)
    except OSError as error:
        raise RunDirectoryError(f"Cannot write {target}: {error.strerror or error}.") from error


def _write_stream(
    stream: IO[bytes], columns: pa.Table, schema: TableSchema, format_: str | None, *, csv_safe: bool
) -> None:
    try:
        write_table(columns, schema, stream, format_, csv_safe=csv_safe)
        stream.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        name = getattr(stream, "name", "the given stream")
        again = " Make room and run the same command with --resume." if is_full(error) else ""
        raise RunDirectoryError(f"Cannot write the rows to {name}: {error.strerror or error}.{again}") from error


@contextlib.contextmanager
def beside(path: Path) -> Iterator[Path]:
    """Write a file anywhere: all of it or, on an error, nothing, so that an earlier file stays until then.

    Args:
        path: The file.

    Yields:
        The path to write to, in the same folder.

    Raises:
        RunDirectoryError: It cannot be written.
    """
    if path.exists() and not path.is_file():
        raise RunDirectoryError(f"{path} is no file that could be replaced. Give another name, or - for stdout.")
    with explain_disk_errors("write", path):
        handle, name = tempfile.mkstemp(dir=path.absolute().parent, prefix=".partial-", suffix=f"-{path.name}")
        os.close(handle)
    partial = Path(name)
    try:
        with explain_disk_errors("write", path, beside=partial):
            yield partial
            with partial.open("rb") as written:
                os.fsync(written.fileno())
            partial.replace(path)
    finally:
        with contextlib.suppress(OSError):
            partial.unlink()


class Rejections:
    """Collects the records that were rejected, and why.

    Args:
        with_text: Whether to write the text of the records, which may quote training data.
    """

    def __init__(self, *, with_text: bool = False) -> None:
        self._with_text = with_text
        self._lines: list[str] = []

    def __call__(self, finished: BatchFinished) -> None:
        """Collect what a batch rejected."""
        records = list(finished.batch.invalid_records())
        parsed = len(records) - finished.batch.num_data_rejected_records
        for index, (text, (detailed, summary)) in enumerate(records[: _MOST_REJECTIONS - len(self._lines)]):
            stage = "parsing" if index < parsed else "constraints"
            entry = {"batch": finished.number, "stage": stage, "reason": summary}
            entry |= {"error": detailed, "text": text} if self._with_text else {}
            self._lines.append(json.dumps(entry, ensure_ascii=False) + "\n")

    def write(self, directory: RunDirectory) -> Path:
        """Write them to the run directory; the file is empty when there are none."""
        return directory.write_text(REJECTED_FILE, "".join(self._lines))


def metrics(
    results: GenerateJobResults | None,
    training: TrainingReport | None,
    seconds: Mapping[str, float],
    columns: tuple[ColumnSummary, ...] = (),
    changed: Mapping[str, float] = MappingProxyType({}),
    relations: Sequence[RetainedRelation] = (),
    made: GenerationConfig | None = None,
) -> dict[str, Any]:
    """The figures of a run as plain data, free of cell text.

    Args:
        results: How generation went; None when it has not run.
        training: How training went; None when it was another run's.
        seconds: Time per stage.
        columns: The real table against the synthetic one.
        changed: The share of training rows whose value was permanently changed before learning, by column.
        relations: The relations between columns that were retained.
        made: What the rows were made under: conditions and constraints.
    """
    generation = None
    if results is not None:
        named = [each.name for each in dataclasses.fields(results) if each.name not in ("df", "columns")]
        generation = {name: getattr(results, name) for name in named}
    figures: dict[str, Any] = _finite(
        {
            "rowsmith": __version__,
            "status": "trained" if results is None else results.status.value,
            "rows": 0 if results is None else results.num_rows,
            "generation": generation,
            "training": None if training is None else attrs.asdict(training),
            "seconds": {name: round(value, 3) for name, value in seconds.items()},
            "columns": [
                {
                    "name": each.name,
                    "type": each.type.value,
                    "measure": each.measure,
                    "distance": round(each.distance, 6),
                }
                for each in columns
            ],
            "changed": {name: round(share, 6) for name, share in changed.items()},
            "relations": [
                {"relation": each.statement, "support": round(each.support, 6), "holds": round(each.holds, 6)}
                for each in relations
            ],
            "given": {} if made is None else dict(made.given),
            "constraints": [] if made is None else list(made.constraints),
        }
    )
    return figures


def _finite(value: Any) -> Any:
    """The same data with null for numbers that JSON cannot represent."""
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
