"""Memory that runs out is told from other errors in one place, for training and for generation."""

from __future__ import annotations

import pytest

from rowsmith.storage.out_of_memory import is_out_of_memory

torch = pytest.importorskip("torch")


class OutOfMemoryError(RuntimeError):
    """Named like that of torch, and of another library."""


LACKS = [
    MemoryError(),
    OutOfMemoryError("no memory for 3 GiB"),
    torch.OutOfMemoryError("CUDA out of memory"),
    RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"),
]


@pytest.mark.parametrize("error", LACKS)
def test_memory_that_ran_out_is_recognised(error: Exception) -> None:
    assert is_out_of_memory(error)


@pytest.mark.parametrize("error", [RuntimeError("shapes differ"), ValueError("memory"), KeyboardInterrupt()])
def test_other_errors_are_not(error: BaseException) -> None:
    assert not is_out_of_memory(error)


@pytest.mark.parametrize("error", LACKS)
def test_training_goes_on_in_smaller_parts_whichever_library_lacks_memory(error: Exception) -> None:
    from rowsmith_backends.training.out_of_memory import without_running_out

    tried: list[int] = []

    def compute(parts: int) -> int:
        if parts < 4:
            raise error
        return parts

    assert without_running_out(compute, 1, 8, tried.append) == 4
    assert tried == [2, 4]
