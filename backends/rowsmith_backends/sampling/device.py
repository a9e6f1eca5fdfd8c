"""Device placement: put a model on the device of the options, with a clear error."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from rowsmith.errors import GenerationError
from rowsmith_backends.sampling.precision import chosen_device

__all__ = ["on_device"]


@contextmanager
def on_device(name: str) -> Iterator[torch.device]:
    """Context of a torch device; errors inside it name the device.

    Args:
        name: A torch device; ``auto`` takes a GPU when there is one.

    Raises:
        GenerationError: There is no such device, or it cannot be used.
    """
    try:
        yield chosen_device(name)
    except torch.OutOfMemoryError:
        raise
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise GenerationError(
            f"the device {name!r} cannot be used ({str(error).splitlines()[0][:200]}); "
            "set backend.options.device to another one, or to auto"
        ) from error
