"""A plugin in one file: the bundled model under another name, narrower than its default."""

from collections.abc import Iterator

import pyarrow as pa

from rowsmith import Component, hookimpl
from rowsmith.components import ComponentRef, Kind
from rowsmith.context import BuildContext
from rowsmith.model import PreparedModel, TableModel, TrainingJob, TrainingReport
from rowsmith.table.schema import TableSchema


@hookimpl
def rowsmith_models() -> Iterator[Component]:
    """What is trained."""
    yield Component(name="narrow", factory="narrow_model:build", summary="The model 'scratch', 32 wide")


class NarrowModel(TableModel):
    """Leaves the work to another model and says so in its report.

    Args:
        inner: The model that does the work.
    """

    def __init__(self, inner: TableModel) -> None:
        self.inner = inner

    def prepare(self, columns: pa.Table, schema: TableSchema) -> PreparedModel:
        """Decide vocabulary and prompt layout."""
        return self.inner.prepare(columns, schema)

    def train(self, prepared: PreparedModel, job: TrainingJob) -> TrainingReport:
        """Train, and save checkpoint and tokenizer in ``job.directory``."""
        return self.inner.train(prepared, job)


def build(context: BuildContext, options: None) -> NarrowModel:
    """Build on the bundled model."""
    inner = context.resolve(Kind.MODEL, ComponentRef(name="scratch", options={"width": 32, "heads": 1, "layers": 1}))
    assert isinstance(inner, TableModel)
    return NarrowModel(inner)
