"""The stages of a run, in order, each a plain function over the run directory.

``read`` reads the table and ``split`` holds rows out; ``learn`` fits the transforms, prepares and trains the model
and saves the bundle; ``train`` does all three. ``generate`` loads the bundle and samples rows until the target is met
or a policy says stop. All take the registry as an argument and find every component through it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import pyarrow as pa
from attrs import evolve, field, frozen

from rowsmith.assembly import TrainingExampleAssembler, TrainingExamples, ranges_of
from rowsmith.components import ComponentRef, Kind
from rowsmith.config.defaults import STEPS_TRANSFORM, backend_for, transforms_for
from rowsmith.context import BuildContext
from rowsmith.errors import ConfigError, DataError, PluginContractError
from rowsmith.generation.backend import GeneratorBackend
from rowsmith.generation.status import INTERRUPTED
from rowsmith.interruption import StopRequest
from rowsmith.model import Bundle, PreparedModel, TableModel, TrainingJob, load_bundle, save_bundle
from rowsmith.model.bundle import FACTORY_PREFIX, MODEL_FOLDER
from rowsmith.model.checkpoints import Checkpoints
from rowsmith.model.distributed import DistributedEnv
from rowsmith.observers import BatchReport, RunInfo
from rowsmith.plugins.blame import attribute_errors, describe_component
from rowsmith.plugins.servers import server_notes
from rowsmith.randomness.global_state import preserve_random_state
from rowsmith.randomness.seeds import Seeds
from rowsmith.runs.inversion import InverseTransforms
from rowsmith.runs.reporting import Reporter
from rowsmith.sequences import TrainingPart, given_names, training_part
from rowsmith.storage.malloc import trim_restored
from rowsmith.table.frames.categories import with_open_names
from rowsmith.transforms import Transform, fit_transforms
from rowsmith.transforms.numbering import Numbering

if TYPE_CHECKING:
    from rowsmith.config import RunConfig
    from rowsmith.generation.accounting import BatchFinished
    from rowsmith.generation.journal import GenerationJournal
    from rowsmith.generation.results import GenerateJobResults
    from rowsmith.plugins import Registry
    from rowsmith.plugins.permissions import Caller
    from rowsmith.sequences import TrainingPart
    from rowsmith.storage.run_directory import RunDirectory
    from rowsmith.table import Table
    from rowsmith.table.schema import TableSchema

__all__ = ["BUNDLE_FOLDER", "Run", "generate", "learn", "read", "split", "tell_notes", "train"]

BUNDLE_FOLDER = "bundle"
MAX_VALIDATION_ROWS = 1_000
_FEW_WINDOWS = 256
_MOST_VALIDATION = 0.1

T = TypeVar("T")


@frozen(kw_only=True)
class Run:
    """What every stage of one run shares.

    Attributes:
        config: The run's configuration.
        registry: Finds components.
        directory: Where it writes.
        reporter: Hears of its progress.
        on_batch: Called with every batch while its texts and errors are still there.
        resume: Whether finished work found in the run directory is taken up.
        stop: Whether it was asked to end.
        ranks: This process among those that train together.
        numbering: Where the new keys of a generation begin to be counted, and how far they have come.
        caller: What the user of the call said himself; None for one who says everything.
    """

    config: RunConfig
    registry: Registry
    directory: RunDirectory
    reporter: Reporter = field(factory=Reporter)
    on_batch: Callable[[BatchFinished], None] | None = None
    resume: bool = False
    stop: StopRequest = field(factory=StopRequest)
    ranks: DistributedEnv = field(factory=DistributedEnv)
    numbering: Numbering = field(factory=Numbering)
    caller: Caller | None = None

    @property
    def seeds(self) -> Seeds:
        """Randomness by stage."""
        return Seeds(self.config.seed)

    @property
    def info(self) -> RunInfo:
        """The run as observers see it."""
        return RunInfo(config=self.config, run_directory=str(self.directory.root))

    @property
    def bundle_directory(self) -> Path:
        """Where the bundle is, or goes."""
        return self.directory.path(BUNDLE_FOLDER)

    def context(self) -> BuildContext:
        """What components are built with, before any stage has run."""
        return BuildContext(
            config=self.config,
            registry=self.registry,
            seeds=self.seeds,
            run_directory=self.directory,
            caller=self.caller,
        )

    @contextmanager
    def stage(self, name: str) -> Iterator[list[str]]:
        """Report a stage; what the block appends is told when it ends."""
        self.reporter.stage_started(name)
        started, detail = time.monotonic(), list[str]()
        yield detail
        self.reporter.stage_finished(name, time.monotonic() - started, ", ".join(detail))


def read(run: Run) -> Table:
    """Read the table that the configuration names.

    Raises:
        ConfigError: It names none.
        DataError: The table cannot be used.
    """
    from rowsmith.table import read_table

    source = run.config.data.source
    if source is None:
        raise ConfigError(["data.source: which table? Give a file, or pass a DataFrame to Synthesizer.fit"])
    with run.stage("reading") as detail:
        table = read_table(Path(source), types=run.config.data.types, options=run.config.data.read_options)
        detail.append(f"{len(table):,} rows, {len(table.schema)} columns")
    tell_notes(run, table)
    return table


def tell_notes(run: Run, table: Table) -> None:
    """Report what is to be known of how a table was read."""
    for note in table.notes:
        run.reporter.note(note)


def split(run: Run, table: Table) -> TrainingPart:
    """Arrange a table, and hold rows out.

    Raises:
        ConfigError: A column is not in the table.
        DataError: The rows cannot be arranged, or too few are left to train on.
    """
    return training_part(with_open_names(table, run.config.data.group_columns), run.config, run.seeds)


def train(run: Run, data: Table | None = None) -> Bundle:
    """Learn a table that no plan was made of.

    Args:
        run: The run.
        data: The table; None reads the one that the configuration names.

    Returns:
        The bundle; saved, unless another process that trains with this one saves it.

    Raises:
        RowsmithError: As the stage that fails says.
    """
    run.ranks.check()
    part = split(run, read(run) if data is None else data)
    return learn(run if part.order is None else evolve(run, config=part.order.applied_to(run.config)), part)


@preserve_random_state()
@trim_restored()
def learn(run: Run, part: TrainingPart) -> Bundle:
    """Learn the rows of a table that are not held out.

    Args:
        run: The run; its configuration names the column that orders the rows, as the table has it.
        part: What ``split`` gave.

    Returns:
        The bundle; saved, unless another process that trains with this one saves it.

    Raises:
        RowsmithError: As the stage that fails says.
    """
    run.ranks.check()
    for note in part.notes:
        run.reporter.note(note)
    schema, transforms = _narrowed(run, part.table)
    context = run.context().evolve(table_schema=schema, groups=part.groups)
    with run.stage("transforming") as detail:
        fitted, columns = fit_transforms(part.table.columns, schema, transforms)
        if len(part.table) < len(part.whole):
            fitted = fitted.keeping_clear(part.whole.columns)
        detail.append(f"{len(part.schema)} columns become {len(fitted.schema_after)}")
    for note in fitted.notes():
        run.reporter.note(note)
    model = _built(context, Kind.MODEL, run.config.model, TableModel)  # type: ignore[type-abstract]
    if run.ranks.count > 1 and not model.several_processes:
        raise ConfigError([f"{run.ranks.count} processes cannot train this model together; start one @ model"])
    with run.stage("tokenizing") as detail:
        with attribute_errors(model):
            prepared = model.prepare(columns, fitted.schema_after).with_groups(part.groups)
        if part.series is not None and prepared.model_schema.step is None:
            raise ConfigError(
                [f"time series need the transform {STEPS_TRANSFORM!r}, which tells the steps of time @ transforms"]
            )
        context = context.evolve(model_schema=prepared.model_schema, metadata=prepared.metadata)
        examples = _assemble(run, prepared, columns, part)
        detail.append(f"{len(examples.train):,} examples of up to {prepared.metadata.max_seq_length} tokens")
        if "tokens_per_record" in examples.stats:
            detail.append(f"{examples.stats['tokens_per_record'].mean:,.1f} tokens a record")
    with run.stage("training") as detail:
        run.directory.discard(BUNDLE_FOLDER)
        folder = run.directory.folder(BUNDLE_FOLDER) / MODEL_FOLDER
        checkpoints = _checkpoints(run)
        report = model.train(prepared, _job(run, examples, folder, checkpoints))
        detail.append(f"{report.steps:,} steps, {report.tokens:,} tokens: {report.stop_reason}")
    ranges = ranges_of(examples.train)
    bundle = Bundle(
        directory=run.bundle_directory,
        table_schema=_known(part.schema, part.table.schema, schema),
        model_schema=prepared.model_schema,
        transforms=fitted,
        metadata=prepared.metadata,
        vocabulary=prepared.vocabulary,
        report=report,
        train_rows=len(part.table),
        series=part.series,
        base=prepared.base,
        longest_completion=None if ranges is None else ranges.longest_sequence,
    )
    if run.ranks.is_main:
        save_bundle(bundle)
    checkpoints.clear()
    run.stop.check()
    return bundle


@trim_restored()
def generate(run: Run, bundle: Bundle | None = None, journal: GenerationJournal | None = None) -> GenerateJobResults:
    """Sample rows from a trained model.

    Args:
        run: The run.
        bundle: The trained model; None loads the run directory's.
        journal: Where backends that can keep finished batches, and take them up from; None keeps none.

    Returns:
        The rows in the user's dtypes, and how they came about; fewer than asked for when a policy or
        an interrupt ended generation.

    Raises:
        RowsmithError: As the stage that fails says; rows made so far are in its ``results``, if any.
    """
    model = load_bundle(run.bundle_directory, run.context()) if bundle is None else bundle
    for line in server_notes(run.config, run.registry, run.caller):
        run.reporter.note(line)
    context = run.context().evolve(
        table_schema=model.table_schema,
        model_schema=model.model_schema,
        metadata=model.metadata,
        bundle=model,
        on_batch=_batch_listener(run),
    )
    backend = _built(context, Kind.BACKEND, backend_for(run.config), GeneratorBackend)  # type: ignore[type-abstract]
    with attribute_errors(backend):
        backend.use_stop_request(run.stop)
        if journal is not None:
            backend.use_journal(journal)
    try:
        # Weights that are loaded are drawn first; rows are drawn from streams of the run's own.
        with run.stage("loading"), preserve_random_state():
            backend.initialize()
            backend.prepare_params(temperature=run.config.generation.temperature, top_p=run.config.generation.top_p)
        with run.stage("generating") as detail:
            names = given_names(run.config.generation.group_keys, run.config.data.group_columns, model.table_schema)
            actions = InverseTransforms(model, run.seeds.integer("inversion"), names, run.numbering)
            try:
                results = backend.generate(actions)
            except KeyboardInterrupt as interrupt:
                for line in _not_kept(backend, journal):
                    interrupt.add_note(f"no row was handed on; {line}")
                raise
            detail.append(f"{results.num_rows:,} rows, {results.valid_record_fraction:.2%} of records valid")
        if results.stop_reason == INTERRUPTED:
            for line in _not_kept(backend, journal):
                run.reporter.note(line)
        if results.identifier is not None:
            run.reporter.note(f"column {results.identifier!r} numbers the series; the table has none that does")
    finally:
        backend.teardown()
    return results


def _not_kept(backend: GeneratorBackend, journal: GenerationJournal | None) -> list[str]:
    """What is to be told of an interrupted generation that cannot be gone on with, though its run could be."""
    if journal is None or journal.path.exists():
        return []
    return [
        f"{describe_component(backend)} kept no finished batch, so --resume has nothing to go on after: "
        "'rowsmith generate --force' makes all rows again"
    ]


def _batch_listener(run: Run) -> Callable[[BatchFinished], None]:
    def tell(finished: BatchFinished) -> None:
        report = BatchReport(
            number=finished.number,
            prompts=finished.batch.num_prompts,
            valid_records=finished.batch.num_valid_records,
            invalid_records=finished.batch.num_invalid_records,
            total_valid_records=finished.num_valid_records,
            seconds=finished.seconds,
            total_valid_groups=finished.num_valid_groups,
            target_groups=finished.target_num_groups,
        )
        run.reporter.batch(report, finished.target_num_records)
        run.registry.notify("rowsmith_batch_finished", run=run.info, batch=report)
        if run.on_batch is not None:
            run.on_batch(finished)

    return tell


def _built(context: BuildContext, kind: Kind, ref: ComponentRef, expected: type[T]) -> T:
    built = context.resolve(kind, ref)
    if not isinstance(built, expected):
        raise PluginContractError(
            f"{kind.value} {ref.name or ref.factory!r} gave a {type(built).__name__}; it must be a {expected.__name__}"
        )
    return built


def _narrowed(run: Run, table: Table) -> tuple[TableSchema, list[tuple[str, Transform]]]:
    """What may be known of a table, and the transforms, whose say it is."""
    transforms = _transforms(run.config, run.context().evolve(table_schema=table.schema))
    schema = table.schema
    for name, transform in transforms:
        before = schema
        with attribute_errors(transform):
            schema = transform.narrowed(table.columns, schema)
        why = transform.narrowed_because or f"as transform {name!r} has it"
        for line in _left_out(before, schema):
            run.reporter.note(f"{line}, {why}")
    return schema, transforms


def _left_out(before: TableSchema, after: TableSchema) -> Iterator[str]:
    """What became of the categories of columns that have others now."""
    for whole, narrowed in zip(before, after, strict=True):
        left, kept = (len(column.storage.categories or ()) for column in (whole, narrowed))
        if left != kept or whole.storage.categories != narrowed.storage.categories:
            yield f"column {whole.name!r}: of its {left:,} categories, {kept:,} are kept"


def _known(whole: TableSchema, before: TableSchema, after: TableSchema) -> TableSchema:
    """The user's table, with what is narrowed of the columns that are learned."""
    narrowed = {column.name: column for column in after if column != before[column.name]}
    return evolve(whole, columns=tuple(narrowed.get(column.name, column) for column in whole))


def _transforms(config: RunConfig, context: BuildContext) -> list[tuple[str, Transform]]:
    return [
        (ref.name or f"{FACTORY_PREFIX}{ref.factory}", _built(context, Kind.TRANSFORM, ref, Transform))  # type: ignore[type-abstract]
        for ref in transforms_for(config)
    ]


def _assemble(run: Run, prepared: PreparedModel, columns: pa.Table, part: TrainingPart) -> TrainingExamples:
    test_size = 0.0 if prepared.cross_validated else run.config.training.validation_ratio
    if test_size > 0:
        test_size = max(test_size, min(_MOST_VALIDATION, prepared.validation_rows / max(1, columns.num_rows)))
    if columns.num_rows * test_size > MAX_VALIDATION_ROWS:
        test_size = MAX_VALIDATION_ROWS
    assembler = TrainingExampleAssembler.from_data(
        columns,
        prepared.tokenizer,
        prepared.metadata,
        run.config,
        test_size=test_size,
        seed=run.seeds.integer("assembly") % 2**32,
        registry=run.registry,
        token_store=prepared.token_store,
        groups=part.groups,
        group_values=part.table.columns.select(run.config.data.group_columns),
    )
    fraction = run.config.training.data_fraction
    examples = _assembled(assembler, fraction)
    if run.config.time_series.is_timeseries and not prepared.cross_validated and 0 < len(examples.train) < _FEW_WINDOWS:
        # A few long windows that always begin at the same records would be learned by heart.
        examples = _assembled(assembler, fraction * -(-_FEW_WINDOWS // len(examples.train)))
    if len(examples.train) == 0:
        raise DataError("no training examples are left: give more rows, or lower training.validation_ratio.")
    return examples


def _assembled(assembler: TrainingExampleAssembler, fraction: float) -> TrainingExamples:
    with attribute_errors(assembler):
        examples = assembler.assemble_training_examples(fraction)
    if not isinstance(examples, TrainingExamples):
        raise PluginContractError(
            f"assembler {type(assembler).__name__} returned a {type(examples).__name__}; "
            "it must return TrainingExamples"
        )
    return examples


def _checkpoints(run: Run) -> Checkpoints:
    return Checkpoints(
        run.directory,
        every=run.config.training.checkpoint_every,
        resume=run.resume,
        note=run.reporter.note,
    )


def _job(run: Run, examples: TrainingExamples, folder: Path, checkpoints: Checkpoints) -> TrainingJob:
    return TrainingJob(
        examples=examples,
        training=run.config.training,
        seeds=run.seeds,
        directory=folder,
        progress=run.reporter.training,
        note=run.reporter.note,
        checkpoints=checkpoints,
        stop=run.stop,
        ranks=run.ranks,
    )
