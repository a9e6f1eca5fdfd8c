"""Combined stopping policies: any of, and all of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rowsmith.components import Kind
from rowsmith.errors import ParameterError, PluginContractError
from rowsmith.generation.status import GenerationStatus
from rowsmith.generation.stopping import Progress, Stop, StoppingPolicy
from rowsmith_plugins.stopping.options import CombinedOptions

if TYPE_CHECKING:
    from rowsmith.context import BuildContext

__all__ = ["AllOfPolicy", "AnyOfPolicy", "build_all_of", "build_any_of"]


class _Combined(StoppingPolicy):
    """Calls every policy after every batch, because policies may count batches.

    Args:
        policies: The policies, at least one.

    Raises:
        ParameterError: There are none.
    """

    def __init__(self, policies: Sequence[StoppingPolicy]) -> None:
        if not policies:
            raise ParameterError(f"{type(self).__name__} needs at least one policy")
        self.policies = tuple(policies)
        self.patient = any(policy.patient for policy in policies)
        self.condition = next((policy.condition for policy in policies if policy.condition is not None), None)
        self._stops: list[Stop | None] = [None] * len(self.policies)

    def _decisions(self, progress: Progress) -> list[Stop | None]:
        """The first stop of each policy, which is final; None for those that have not stopped."""
        answers = [policy.decide(progress) for policy in self.policies]
        self._stops = [old or new for old, new in zip(self._stops, answers, strict=True)]
        return self._stops


class AnyOfPolicy(_Combined):
    """Ends a job as soon as one policy stops; the first in order gives status and reason."""

    def decide(self, progress: Progress) -> Stop | None:
        """See the base class."""
        return next((stop for stop in self._decisions(progress) if stop is not None), None)


class AllOfPolicy(_Combined):
    """Ends a job once every policy has decided to stop, each at any batch."""

    def decide(self, progress: Progress) -> Stop | None:
        """See the base class."""
        stops = [stop for stop in self._decisions(progress) if stop is not None]
        if len(stops) < len(self.policies):
            return None
        statuses = {stop.status for stop in stops}
        status = statuses.pop() if len(statuses) == 1 else GenerationStatus.INCOMPLETE
        return Stop(status, "; ".join(stop.reason for stop in stops))


def build_any_of(context: BuildContext, options: CombinedOptions | None) -> AnyOfPolicy:
    """Build ``any-of``.

    Args:
        context: Finds the policies.
        options: Names them.

    Raises:
        ParameterError: There are none.
        PluginContractError: A named component is not a policy.
    """
    return AnyOfPolicy(_resolve(context, options))


def build_all_of(context: BuildContext, options: CombinedOptions | None) -> AllOfPolicy:
    """Build ``all-of``.

    Args:
        context: Finds the policies.
        options: Names them.

    Raises:
        ParameterError: There are none.
        PluginContractError: A named component is not a policy.
    """
    return AllOfPolicy(_resolve(context, options))


def _resolve(context: BuildContext, options: CombinedOptions | None) -> list[StoppingPolicy]:
    return [_checked(context.resolve(Kind.STOPPING, ref)) for ref in (options.policies if options else ())]


def _checked(policy: object) -> StoppingPolicy:
    if not isinstance(policy, StoppingPolicy):
        name = type(policy).__qualname__
        raise PluginContractError(f"{name} is not a stopping policy; it must extend StoppingPolicy")
    return policy
