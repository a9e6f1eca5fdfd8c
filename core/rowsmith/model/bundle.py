"""Bundle: a trained model with schemas, transforms and prompt layout, as one versioned directory.

::

    bundle/
        bundle.json    schemas, fitted transforms, prompt layout, vocabulary, training report, file hashes
        model/         an ordinary Hugging Face checkpoint and its tokenizer

Nothing is inferred from a model's name: which model, tokenizer and schemas belong together is saved here and checked
on loading.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cattrs.preconf.json
from attrs import asdict, frozen

from rowsmith.assembly.metadata import ModelMetadata
from rowsmith.components import ComponentRef, Kind
from rowsmith.errors import BundleError, PluginContractError, RowsmithError
from rowsmith.model.base import BaseModel
from rowsmith.model.bundle_safety import check_contents, check_links
from rowsmith.model.checkpoints import hashes
from rowsmith.model.contract import TrainingReport
from rowsmith.sequences.series_plan import SeriesPlan
from rowsmith.storage.disk_errors import explain_disk_errors
from rowsmith.storage.regular_files import parse_json, read_regular_file
from rowsmith.storage.run_directory import RunDirectory, flush_tree
from rowsmith.table.schema import ModelSchema, TableSchema, check_columns
from rowsmith.transforms import FittedTransforms, Transform
from rowsmith.vocabulary import Vocabulary

if TYPE_CHECKING:
    from rowsmith.context import BuildContext

__all__ = ["BUNDLE_FILE", "BUNDLE_VERSION", "FACTORY_PREFIX", "MODEL_FOLDER", "Bundle", "load_bundle", "save_bundle"]

BUNDLE_VERSION = 2
BUNDLE_FILE = "bundle.json"
MODEL_FOLDER = "model"
_MOST = 2**48
FACTORY_PREFIX = "factory:"
"""Begins the saved name of a transform that no plugin registers."""

_converter = cattrs.preconf.json.make_converter()


@frozen(kw_only=True, eq=False)
class Bundle:
    """Everything that generation needs, and no other training data.

    Attributes:
        directory: Its folder.
        table_schema: The user's table.
        model_schema: The columns after all transforms.
        transforms: Fitted transforms from table to model schema and back.
        metadata: Prompt layout, special tokens, context length.
        vocabulary: The tokens of a columnar tokenizer; None for others.
        report: Summary of the training.
        train_rows: Number of training rows.
        series: Time axis and extents of time series; None for other tables.
        base: The pretrained model that the checkpoint is an adapter of; None for a whole checkpoint.
        longest_completion: Tokens of the longest sequence of records that the model was trained on, BOS and EOS
            left out; None if unknown.
        fetch_base: Whether the base model may be fetched from the hub; never saved.
    """

    directory: Path
    table_schema: TableSchema
    model_schema: ModelSchema
    transforms: FittedTransforms
    metadata: ModelMetadata
    vocabulary: Vocabulary | None
    report: TrainingReport
    train_rows: int
    series: SeriesPlan | None = None
    base: BaseModel | None = None
    longest_completion: int | None = None
    fetch_base: bool = False

    @property
    def model_directory(self) -> Path:
        """Folder of the checkpoint."""
        return self.directory / MODEL_FOLDER

    @property
    def fingerprint(self) -> str:
        """A hash of all that the bundle holds: ``bundle.json`` has the hashes of the other files."""
        return hashlib.sha256((self.directory / BUNDLE_FILE).read_bytes()).hexdigest()

    def inventory(self) -> list[str]:
        """Describe what the bundle holds of the training data, a line each."""
        lines = list(self.transforms.inventory())
        for column in self.model_schema:
            if column.values is not None:
                lines.append(f"{column.name}: {len(column.values)} values")
            if column.alphabet:
                shapes = f" and {len(column.shapes)} shapes" if column.shapes else ""
                lines.append(f"{column.name}: {len(column.alphabet)} characters{shapes} of its text")
        for each in self.table_schema:
            if each.storage.categories is not None:
                lines.append(f"{each.name}: the {len(each.storage.categories)} categories of its dtype")
            marks = [repr(mark) for mark, _ in each.storage.null_marks if mark is not None]
            if marks:
                lines.append(f"{each.name}: null is written {', '.join(marks)}, and how many rows had each")
        if self.vocabulary is not None and self.vocabulary.pieces:
            lines.append(f"{len(self.vocabulary.pieces) - 256} learned pieces of text")
        if self.series is not None:
            lines.extend(self.series.inventory())
        if self.metadata.initial_prefill:
            lines.append("the first records of the training groups, as they are")
        return [*lines, f"model weights: {self.report.parameters:,} parameters"]


def save_bundle(bundle: Bundle) -> None:
    """Write ``bundle.json`` with the hashes of all other files.

    Args:
        bundle: The bundle; its checkpoint is already in ``bundle.model_directory``.
    """
    state = {
        "version": BUNDLE_VERSION,
        "table_schema": _converter.unstructure(bundle.table_schema),
        "model_schema": _converter.unstructure(bundle.model_schema),
        "transforms": bundle.transforms.state(),
        "metadata": _converter.unstructure(bundle.metadata),
        "vocabulary": None if bundle.vocabulary is None else bundle.vocabulary.state(),
        "report": asdict(bundle.report),
        "train_rows": bundle.train_rows,
        "series": None if bundle.series is None else bundle.series.state(),
        "base": None if bundle.base is None else asdict(bundle.base),
        "longest_completion": bundle.longest_completion,
        "files": hashes(bundle.model_directory),
    }
    with explain_disk_errors("write", bundle.model_directory):
        flush_tree(bundle.model_directory)
    plain = json.loads(json.dumps(state, allow_nan=False))
    text = json.dumps({**plain, "checksum": _checksum(plain)}, ensure_ascii=False, indent=1)
    RunDirectory(bundle.directory).write_text(BUNDLE_FILE, text)


def load_bundle(directory: Path, context: BuildContext) -> Bundle:
    """Load a bundle.

    Args:
        directory: The bundle's directory.
        context: Finds the classes of fitted transforms.

    Returns:
        The bundle.

    Raises:
        BundleError: A file is missing or damaged, or the version is another.
    """
    state = _read(directory / BUNDLE_FILE)
    if state.get("version") != BUNDLE_VERSION:
        raise BundleError(
            f"{directory}: bundle version {state.get('version')!r} cannot be read by this Rowsmith, which reads "
            f"version {BUNDLE_VERSION}. Train again, or install the Rowsmith that made it."
        )
    check_links(directory)
    if state.get("checksum") != _checksum(state):
        raise BundleError(
            f"{directory / BUNDLE_FILE} is damaged: it is not what was saved. Train again, or restore it."
        )
    try:
        _verify(directory, state["files"])
        check_contents(directory / MODEL_FOLDER, adapter=state.get("base") is not None)
        return _restored(directory, state, context)
    except RowsmithError:
        raise
    except Exception as error:
        # A malformed file of unknown origin may fail anywhere.
        reason = f"{type(error).__name__}: {error}".splitlines()[0][:200]
        raise BundleError(f"{directory / BUNDLE_FILE} is damaged ({reason}). Train again.") from error


def _restored(directory: Path, state: dict[str, Any], context: BuildContext) -> Bundle:
    model_schema = _converter.structure(state["model_schema"], ModelSchema)
    vocabulary, series, base = state["vocabulary"], state.get("series"), state.get("base")
    longest = state.get("longest_completion")
    table_schema = _converter.structure(state["table_schema"], TableSchema)
    check_columns(table_schema)
    return Bundle(
        directory=directory,
        table_schema=table_schema,
        model_schema=model_schema,
        transforms=FittedTransforms.restore(state["transforms"], lambda name: _transform(context, name)),
        metadata=_converter.structure(state["metadata"], ModelMetadata),
        vocabulary=None if vocabulary is None else Vocabulary.restore(model_schema, vocabulary),
        report=_converter.structure(state["report"], TrainingReport),
        train_rows=_count("train_rows", state["train_rows"]),
        series=None if series is None else SeriesPlan.restore(series),
        base=None if base is None else _converter.structure(base, BaseModel),
        longest_completion=None if longest is None else _count("longest_completion", longest),
        fetch_base=context.caller is not None and context.caller.fetch_base,
    )


def _count(name: str, value: Any) -> int:
    if type(value) is not int or not 0 < value < _MOST:
        raise ValueError(f"{name} is no count")
    return value


def _transform(context: BuildContext, name: str) -> Transform:
    factory = name.removeprefix(FACTORY_PREFIX) if name.startswith(FACTORY_PREFIX) else None
    built = context.resolve(Kind.TRANSFORM, name if factory is None else ComponentRef(factory=factory))
    if not isinstance(built, Transform):
        raise PluginContractError(f"transform {name!r} gave a {type(built).__name__}; it must be a Transform")
    return built


def _read(path: Path) -> dict[str, Any]:
    try:
        state = parse_json(read_regular_file(path))
    except FileNotFoundError as error:
        raise BundleError(f"{path} is missing: there is no trained model here. Run 'rowsmith train' first.") from error
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{path} is damaged ({error}). Train again.") from error
    if not isinstance(state, dict):
        raise BundleError(f"{path} is damaged: it holds no object. Train again.")
    return state


def _checksum(state: dict[str, Any]) -> str:
    """SHA-256 of ``bundle.json`` without the checksum itself."""
    rest = {name: value for name, value in state.items() if name != "checksum"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def _verify(directory: Path, expected: dict[str, str]) -> None:
    found = hashes(directory / MODEL_FOLDER)
    for name, digest in expected.items():
        if found.get(name) != digest:
            state = "missing" if name not in found else "not the one that was saved"
            raise BundleError(f"{directory / MODEL_FOLDER / name} is {state}. Train again, or restore the file.")
