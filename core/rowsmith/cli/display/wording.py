"""Progress and results in words, as pure functions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import evolve, frozen

from rowsmith.cli.display.sanitizer import printable

if TYPE_CHECKING:
    from rowsmith.model import TrainingProgress
    from rowsmith.observers import BatchReport

__all__ = [
    "RowProgress",
    "duration",
    "outcome_line",
    "percent",
    "rows_line",
    "shortened",
    "stage_line",
    "training_line",
]


def duration(seconds: float) -> str:
    """A time in words, such as ``0.3 s``, ``42 s``, ``3 min 20 s`` or ``1 h 05 min``."""
    if seconds < 9.95:
        return f"{max(0.0, seconds):.1f} s"
    whole = round(seconds)
    if whole < 120:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def stage_line(name: str, seconds: float, detail: str) -> str:
    """The line of a finished stage."""
    return f"{name}: {detail} ({duration(seconds)})" if detail else f"{name} ({duration(seconds)})"


def training_line(progress: TrainingProgress) -> str:
    """Progress of training: losses and time left."""
    parts = [progress.phase] if progress.phase else []
    if progress.loss is not None:
        parts.append(f"loss {progress.loss:.3f}")
    if progress.validation_loss is not None:
        parts.append(f"held-out {progress.validation_loss:.3f}")
    if progress.seconds_left is not None:
        parts.append(f"{duration(progress.seconds_left)} left")
    return ", ".join(parts)


@frozen(kw_only=True)
class RowProgress:
    """Counts of rows and groups generated so far.

    Attributes:
        valid: Records accepted.
        invalid: Records rejected.
        seconds: Time spent.
        target: Rows wanted; None for no target.
        groups: Groups accepted; 0 for plain tables.
        target_groups: Groups wanted; None if rows are counted.
    """

    valid: int = 0
    invalid: int = 0
    seconds: float = 0.0
    target: int | None = None
    groups: int = 0
    target_groups: int | None = None

    def plus(self, report: BatchReport, target: int | None) -> RowProgress:
        """Add a batch."""
        return evolve(
            self,
            valid=report.total_valid_records,
            invalid=self.invalid + report.invalid_records,
            seconds=self.seconds + report.seconds,
            target=target,
            groups=report.total_valid_groups,
            target_groups=report.target_groups,
        )

    @property
    def done(self) -> tuple[int, int | None]:
        """Rows or groups made, at most the target; and the target."""
        made, wanted = (self.valid, self.target) if self.target_groups is None else (self.groups, self.target_groups)
        return min(made, wanted or made), wanted

    @property
    def counted(self) -> str:
        """Progress in words, such as ``40 of 100 groups``."""
        made, wanted = self.done
        of = "" if wanted is None else f" of {wanted:,}"
        return f"{made:,}{of} {'rows' if self.target_groups is None else 'groups'}"


def rows_line(rows: RowProgress) -> str:
    """Progress of generation: rate, share of valid records, time left."""
    rate = rows.valid / rows.seconds if rows.seconds > 0 else 0.0
    parts = [f"{rate:,.0f} rows/s"] if rate else []
    if rows.valid + rows.invalid:
        parts.append(f"{rows.valid / (rows.valid + rows.invalid):.1%} valid")
    made, wanted = rows.done
    if made and rows.seconds > 0 and wanted is not None:
        parts.append(f"{duration((wanted - made) * rows.seconds / made)} left")
    return ", ".join(parts)


def outcome_line(
    rows: int, target: int, reason: str | None, destination: str, groups: tuple[int, int] | None = None
) -> str:
    """The outcome of a run.

    Args:
        rows: Rows made.
        target: Rows wanted.
        reason: Why it stopped before its target.
        destination: File of the rows, or ``stdout``.
        groups: Groups made and groups wanted; None if rows are counted.
    """
    made, wanted = (rows, target) if groups is None else groups
    made_text = f"{_counted(rows, 'row')} in {destination}"
    if groups is not None:
        made_text = f"{_counted(min(made, wanted), 'group')}, {made_text}"
    if made >= wanted:
        return made_text
    wanted_text = f"{wanted:,}" if groups is None else _counted(wanted, "group")
    return f"Fell short: {made_text if rows else 'no rows'}, {wanted_text} were asked for" + (
        f" ({reason})" if reason else ""
    )


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def percent(share: float) -> str:
    """A share in per cent; one decimal, none for 0 and 1."""
    return f"{share:.0%}" if share in (0.0, 1.0) else f"{share:.1%}"


def shortened(text: str, most: int) -> str:
    """A text on one line, truncated to ``most`` characters."""
    line = printable(" ".join(text.split())) if text.strip() else repr(text)
    return line if len(line) <= most else line[: most - 1] + "…"
