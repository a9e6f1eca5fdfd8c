"""Tables learned in worker processes of one thread each, so that no table can end the zoo.

A worker imports everything once and then takes table after table; it is replaced when a table takes too long or
ends it, when its memory has grown, and after some tables.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from threading import local

from attrs import frozen

from benchmarks.zoo.drawing import Animal, installed_tables, read
from benchmarks.zoo.judging import Verdict, faults, verdict
from benchmarks.zoo.learning import learn
from benchmarks.zoo.outcomes import Effort
from benchmarks.zoo.verdicts import Judged

_GIB = 2**30


@frozen(kw_only=True)
class Guard:
    """What a worker may take.

    Attributes:
        seconds: The longest that a table may take.
        memory: The most memory of its own that a worker may have, in bytes; allocations beyond fail.
        kept_memory: A worker that has taken more is replaced.
        tables: A worker is replaced after so many.
    """

    seconds: float
    memory: int = 6 * _GIB
    kept_memory: int = 2 * _GIB
    tables: int = 25


@frozen(kw_only=True)
class Job:
    """One table for a worker."""

    animal: Animal
    effort: Effort


def judge_table(job: Job) -> Judged:
    """Learn a table in this process and judge what comes back."""
    started = time.monotonic()
    table = read(installed_tables()[job.animal.name])
    with tempfile.TemporaryDirectory(prefix="zoo-") as folder:
        outcome = learn(table, job.animal.form, Path(folder), job.effort)

    def judged(given: Verdict, **further: object) -> Judged:
        return Judged(
            name=job.animal.name, form=job.animal.form, verdict=given, rows=len(table), columns=len(table.columns),
            seconds=round(time.monotonic() - started, 1), notes=outcome.told.notes, training=outcome.training,
            **further,  # type: ignore[arg-type]
        )  # fmt: skip

    if outcome.refusal is not None:
        return judged(Verdict.REFUSED, message=outcome.refusal)
    if outcome.real is None or outcome.synthetic is None:
        return judged(Verdict.CRASHED, message=outcome.crash or "no rows and no error")
    found = faults(
        outcome.real, outcome.synthetic, job.effort.rows(table),
        keys=outcome.told.keys, invented=outcome.told.invented, dtypes=job.animal.form != "csv",
    )  # fmt: skip
    given, silent, told = verdict(found, outcome.told)
    return judged(given, silent=tuple(silent), told=tuple(told))


class Worker:
    """A process that does one job after the other.

    Args:
        work: Does a job; a function at the top of a module.
        guard: What it may take.
    """

    def __init__(self, work: Callable[[Job], Judged], guard: Guard) -> None:
        self._work = work
        self._guard = guard
        self._process: SpawnProcess | None = None
        self._connection: Connection | None = None
        self._done = 0

    def __call__(self, job: Job) -> Judged:
        """Do a job; a verdict comes back in any case."""
        if self._process is None:
            self._start()
        assert self._process is not None and self._connection is not None
        started = time.monotonic()

        def failed(given: Verdict, message: str) -> Judged:
            self.stop()
            seconds = round(time.monotonic() - started, 1)
            return Judged(name=job.animal.name, form=job.animal.form, verdict=given, seconds=seconds, message=message)

        try:
            self._connection.send(job)
            if not self._connection.poll(self._guard.seconds):
                return failed(Verdict.TIMEOUT, f"not done after {self._guard.seconds:.0f} seconds")
            judged, memory = self._connection.recv()
        except (EOFError, OSError):
            self._process.join(5)
            return failed(Verdict.CRASHED, f"the process ended, exit code {self._process.exitcode}")
        self._done += 1
        if memory > self._guard.kept_memory or self._done >= self._guard.tables:
            self.stop()
        return judged if isinstance(judged, Judged) else failed(Verdict.CRASHED, str(judged))

    def stop(self) -> None:
        """End the process at once."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
        if self._connection is not None:
            self._connection.close()
        self._process = self._connection = None
        self._done = 0

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, self._work, self._guard.memory), daemon=True)
        self._process.start()
        theirs.close()


def run(
    jobs: Sequence[Job], guard: Guard, *, at_once: int = 2, work: Callable[[Job], Judged] = judge_table
) -> Iterator[Judged]:
    """Verdicts on all jobs, as they come.

    Args:
        jobs: The jobs.
        guard: What a worker may take.
        at_once: How many workers there are.
        work: Does a job.
    """
    # Read by numerical libraries at their import, in the workers.
    os.environ.update({name: "1" for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")})
    workers: list[Worker] = []
    own = local()

    def do(job: Job) -> Judged:
        if not hasattr(own, "worker"):
            own.worker = Worker(work, guard)
            workers.append(own.worker)
        found: Judged = own.worker(job)
        return found

    pool = ThreadPoolExecutor(at_once)
    try:
        for done in as_completed([pool.submit(do, job) for job in jobs]):
            yield done.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        for worker in workers:
            worker.stop()
        pool.shutdown()


def _serve(connection: Connection, work: Callable[[Job], Judged], memory: int) -> None:
    """A worker's side: jobs in, verdicts out, until the other side is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the zoo, which ends its workers.
    resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    while True:
        try:
            job = connection.recv()
        except EOFError:
            return
        try:
            answer: Judged | str = work(job)
        except Exception as error:
            answer = f"the judge failed: {type(error).__name__}: {error}"
        scale = 1 if sys.platform == "darwin" else 1024
        connection.send((answer, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale))
