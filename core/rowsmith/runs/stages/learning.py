"""Train the model of a run: fit transforms, assemble examples, train, save the bundle."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
from attrs import evolve

from rowsmith.assembly import TrainingExampleAssembler, TrainingExamples, ranges_of
from rowsmith.components import Kind
from rowsmith.config.defaults import STEPS_TRANSFORM, transforms_for
from rowsmith.errors import ConfigError, DataError, PluginContractError
from rowsmith.model import Bundle, PreparedModel, TableModel, TrainingJob, TrainingReport, save_bundle
from rowsmith.model.bundle import FACTORY_PREFIX, MODEL_FOLDER
from rowsmith.model.checkpoints import Checkpoints
from rowsmith.plugins.blame import attribute_errors
from rowsmith.randomness.global_state import preserve_random_state
from rowsmith.runs.stages.reading import read, split
from rowsmith.runs.stages.run import BUNDLE_FOLDER, build_component
from rowsmith.runs.stages.trials import trial_stopping
from rowsmith.storage.malloc import trim_restored
from rowsmith.transforms import Transform, fit_transforms

if TYPE_CHECKING:
    from rowsmith.config import RunConfig
    from rowsmith.context import BuildContext
    from rowsmith.runs.stages.run import Run
    from rowsmith.sequences import TrainingPart
    from rowsmith.table import Table
    from rowsmith.table.schema import TableSchema

__all__ = ["learn", "train"]

_NO_REPORT = TrainingReport(
    steps=0,
    total_steps=0,
    tokens=0,
    seconds=0.0,
    epochs=0.0,
    validation_loss=None,
    best_step=0,
    parameters=0,
    dtype="",
    stop_reason="training goes on",
)
"""The report in a bundle of weights that are still trained."""

MAX_VALIDATION_ROWS = 1_000
_FEW_WINDOWS = 256
_MOST_VALIDATION = 0.1


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
    model = build_component(context, Kind.MODEL, run.config.model, TableModel)  # type: ignore[type-abstract]
    if run.ranks.count > 1 and not model.several_processes:
        raise ConfigError([f"{run.ranks.count} processes cannot train this model together; start one @ model"])
    if run.config.training.policy is not None and not model.decides_by_rows:
        raise ConfigError(
            [f"the model {run.config.model.name!r} asks no policy when to end; leave it at 'loss' @ training.stopping"]
        )
    with run.stage("tokenizing") as detail:
        with attribute_errors(model):
            prepared = model.prepare(columns, fitted.schema_after).with_groups(part.groups)
        if part.series is not None and prepared.model_schema.step is None:
            raise ConfigError(
                [f"time series need the transform {STEPS_TRANSFORM!r}, which computes the steps of time @ transforms"]
            )
        context = context.evolve(model_schema=prepared.model_schema, metadata=prepared.metadata)
        examples = _assemble(run, prepared, columns, part)
        detail.append(f"{len(examples.train):,} examples of up to {prepared.metadata.max_seq_length} tokens")
        if "tokens_per_record" in examples.stats:
            detail.append(f"{examples.stats['tokens_per_record'].mean:,.1f} tokens a record")
    ranges = ranges_of(examples.train)

    def bundle_at(directory: Path, report: TrainingReport = _NO_REPORT) -> Bundle:
        return Bundle(
            directory=directory,
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

    early_stopping = trial_stopping(run, context, part.stopping, bundle_at)
    with run.stage("training") as detail:
        run.directory.discard(BUNDLE_FOLDER)
        folder = run.directory.folder(BUNDLE_FOLDER) / MODEL_FOLDER
        checkpoints = _checkpoints(run)
        job = _job(run, examples, folder, checkpoints)
        report = model.train(prepared, evolve(job, early_stopping=early_stopping))
        if early_stopping is not None:
            report = evolve(report, stopping=early_stopping.summary(report.seconds))
        detail.append(f"{report.steps:,} steps, {report.tokens:,} tokens: {report.stop_reason}")
    bundle = bundle_at(run.bundle_directory, report)
    if run.ranks.is_main:
        save_bundle(bundle)
    checkpoints.clear()
    run.stop.check()
    return bundle


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
    """Report the columns whose categories were narrowed."""
    for whole, narrowed in zip(before, after, strict=True):
        total, retained = (len(column.storage.categories or ()) for column in (whole, narrowed))
        if total != retained or whole.storage.categories != narrowed.storage.categories:
            yield f"column {whole.name!r}: of its {total:,} categories, {retained:,} are retained"


def _known(whole: TableSchema, before: TableSchema, after: TableSchema) -> TableSchema:
    """The user's table, with what is narrowed of the columns that are learned."""
    narrowed = {column.name: column for column in after if column != before[column.name]}
    return evolve(whole, columns=tuple(narrowed.get(column.name, column) for column in whole))


def _transforms(config: RunConfig, context: BuildContext) -> list[tuple[str, Transform]]:
    return [
        (ref.name or f"{FACTORY_PREFIX}{ref.factory}", build_component(context, Kind.TRANSFORM, ref, Transform))  # type: ignore[type-abstract]
        for ref in transforms_for(config)
    ]


def _assemble(run: Run, prepared: PreparedModel, columns: pa.Table, part: TrainingPart) -> TrainingExamples:
    # Rows that decide when training ends were taken from the table already.
    test_size = 0.0 if prepared.cross_validated or part.stopping is not None else run.config.training.validation_ratio
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
        # A few long windows that always begin at the same records would be memorised.
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
