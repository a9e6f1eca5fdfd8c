"""A trained model in its run directory, from which rows are drawn any number of times."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

from attrs import frozen

from rowsmith.errors import RunDirectoryError
from rowsmith.model import load_bundle
from rowsmith.runs.generations import Generations
from rowsmith.runs.jobs import saved_plan
from rowsmith.runs.replacing import discard_replaced, recover, restored_on_failure, set_aside
from rowsmith.runs.result_files import has_model
from rowsmith.runs.stages import BUNDLE_FOLDER
from rowsmith.storage.run_directory import RunDirectory
from rowsmith.transforms.numbering import Numbering, first_of_seed

if TYPE_CHECKING:
    from rowsmith.config import RunConfig
    from rowsmith.model import Bundle
    from rowsmith.runs.arguments import PathLike
    from rowsmith.runs.plan import Plan
    from rowsmith.runs.stages import Run

__all__ = ["LearnedModel"]


@frozen(kw_only=True, eq=False)
class LearnedModel:
    """A trained model.

    Attributes:
        directory: Its run directory.
        bundle: The model itself.
        plan: The plan it was trained by.
        generations: Counts the generations that were drawn from it.
    """

    directory: RunDirectory
    bundle: Bundle
    plan: Plan
    generations: Generations

    @classmethod
    def of(cls, directory: RunDirectory, bundle: Bundle, plan: Plan, note: Callable[[str], None]) -> Self:
        """A model that was trained just now.

        Args:
            directory: The run directory that holds it.
            bundle: The model.
            plan: Its plan.
            note: Called when the count of generations cannot be written.
        """
        generations = Generations(directory, in_memory=True, note=note)
        return cls(directory=directory, bundle=bundle, plan=plan, generations=generations)

    @classmethod
    def load(cls, run: Run) -> Self:
        """Load the model of a run directory.

        Args:
            run: Names the directory.

        Raises:
            RunDirectoryError: There is no model.
            BundleError: The model is damaged or of another version.
        """
        bundle = load_bundle(run.bundle_directory, run.context())
        return cls.of(run.directory, bundle, saved_plan(run.directory), run.reporter.note)

    def save(self, path: PathLike, *, overwrite: bool) -> None:
        """Copy the model, its plan and the count of its generations to a folder.

        Args:
            path: The folder.
            overwrite: Whether a model that is there may be replaced.

        Raises:
            RunDirectoryError: There is a model already, or the folder cannot be written.
        """
        copied = RunDirectory(path)
        if copied.root.resolve() == self.bundle.directory.parent.resolve():
            return
        with copied.lock():
            recover(copied)
            if has_model(copied) and not overwrite:
                raise RunDirectoryError(f"{path} holds a model. Choose another folder, or give overwrite=True.")
            with restored_on_failure(copied, resumable=False):
                set_aside(copied, model=True)
                self.plan.save(copied)
                with copied.writing_folder(BUNDLE_FOLDER) as partial:
                    shutil.copytree(self.bundle.directory, partial, dirs_exist_ok=True)
                self.generations.copy_to(copied)
                discard_replaced(copied)

    @contextmanager
    def generation(self, config: RunConfig, own: int, seed: int | None) -> Iterator[tuple[int, Numbering]]:
        """Count a generation for the time of the block.

        Args:
            config: Says about how many rows it makes.
            own: The seed of the first generation.
            seed: A seed that was asked for; such a generation is not counted. None takes the next generation.

        Yields:
            The seed of the generation's draws, and the numbering of its keys.
        """
        if seed is not None:
            yield seed, Numbering(first_of_seed(seed, own))
            return
        begun = self.generations.begin(config)
        numbering = Numbering(begun.first)
        try:
            yield begun.seed(own), numbering
        finally:
            self.generations.finish(begun, numbering, config)
