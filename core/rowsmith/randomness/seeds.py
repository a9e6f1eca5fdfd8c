"""Random streams by stage.

A stream depends on the run's seed and the stage's name alone, so that adding, removing or reordering stages does not
change the others.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Seeds"]


def _check_seed(instance: object, attribute: Any, value: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"seed must be an integer of at least 0, got {value!r}")


def _spawn_key(stage: str) -> tuple[int, ...]:
    digest = hashlib.blake2b(stage.encode(), digest_size=16, person=b"rowsmith-stage").digest()
    return tuple(int.from_bytes(digest[start : start + 4], "little") for start in range(0, 16, 4))


@frozen
class Seeds:
    """The streams of one run.

    Attributes:
        seed: The run's seed, at least 0.
    """

    seed: int = field(validator=_check_seed)

    def sequence(self, stage: str) -> np.random.SeedSequence:
        """The seed sequence of a stage.

        Args:
            stage: The stage's name, such as ``"training.order"``.
        """
        import numpy as np

        return np.random.SeedSequence(self.seed, spawn_key=_spawn_key(stage))

    def generator(self, stage: str) -> np.random.Generator:
        """A new generator at the start of a stage's stream."""
        import numpy as np

        return np.random.default_rng(self.sequence(stage))

    def integer(self, stage: str) -> int:
        """A stage's seed for a library that takes one integer: 0 to 2**63 - 1."""
        import numpy as np

        return int(self.sequence(stage).generate_state(1, np.uint64)[0]) >> 1
