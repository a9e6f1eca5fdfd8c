"""Saving of a trained model."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from safetensors import SafetensorError

from rowsmith.storage.disk_errors import explain_disk_errors
from rowsmith.storage.run_directory import flush_tree

if TYPE_CHECKING:
    from rowsmith.model import PreparedModel, TrainingJob

__all__ = ["save_model"]


def save_model(prepared: PreparedModel, job: TrainingJob, write: Callable[[], None]) -> None:
    """Save a model with its tokenizer; checkpoints are deleted first if the disk has no space for both.

    Args:
        prepared: The prepared model, with the tokenizer.
        job: The training job, with the target directory and the checkpoints.
        write: Writes the weights into ``job.directory``, which exists by then.

    Raises:
        RunDirectoryError: It cannot be written.
    """

    def save() -> None:
        with explain_disk_errors("write", job.directory, SafetensorError):
            job.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            write()
            prepared.tokenizer.save_pretrained(job.directory)
            flush_tree(job.directory)

    if job.checkpoints is None:
        save()
    else:
        job.checkpoints.save_making_room(save)
