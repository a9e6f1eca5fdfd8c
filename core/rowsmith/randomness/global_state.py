"""Global random state of the process, which belongs to the host program.

Rowsmith draws from its own streams (see ``randomness.seeds``), but a deep learning library seeds the global
generators.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["preserve_random_state"]


@contextmanager
def preserve_random_state() -> Iterator[None]:
    """Restore the global generators of ``random``, NumPy and torch on exit."""
    import numpy as np

    python, numpy, torch = random.getstate(), np.random.get_state(), _torch_state()
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
        _restore_torch(torch)


def _torch_state() -> tuple[Any, int, list[Any] | None] | None:
    """CPU state, seed and the state of each GPU in use; None if torch is not loaded."""
    torch = sys.modules.get("torch")
    if torch is None:
        return None
    devices = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else None
    return torch.get_rng_state(), torch.initial_seed(), devices


def _restore_torch(before: tuple[Any, int, list[Any] | None] | None) -> None:
    torch = sys.modules.get("torch")
    if torch is None:
        return
    if before is None:
        # torch was loaded within the block: a new generator has the initial state of the global one.
        fresh = torch.Generator()
        before = fresh.get_state(), fresh.initial_seed(), None
    cpu, seed, devices = before
    torch.set_rng_state(cpu)
    if devices is None:
        # Devices that were not in use yet start with this seed.
        torch.cuda.manual_seed_all(seed)
    else:
        torch.cuda.set_rng_state_all(devices)
