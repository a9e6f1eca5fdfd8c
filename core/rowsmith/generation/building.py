"""What builders of backends have in common: the trained model, and the arguments of ``EngineBackend``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rowsmith.components import Kind
from rowsmith.config.defaults import processor_for
from rowsmith.errors import BundleError

if TYPE_CHECKING:
    from rowsmith.context import BuildContext
    from rowsmith.model import Bundle

__all__ = ["engine_backend_arguments", "trained_bundle"]


def trained_bundle(context: BuildContext, name: str) -> Bundle:
    """The trained model that a backend is to generate with.

    Args:
        context: What the backend is built with.
        name: The backend's name, for the message.

    Raises:
        BundleError: There is none.
    """
    if context.bundle is None:
        raise BundleError(f"the backend {name!r} needs a trained model: run 'rowsmith train' first.")
    return context.bundle


def engine_backend_arguments(context: BuildContext, bundle: Bundle) -> dict[str, Any]:
    """The arguments of ``EngineBackend`` that do not depend on its engine.

    Args:
        context: What the backend is built with.
        bundle: The trained model.

    Returns:
        The processor and the stopping policy that the configuration names, randomness, the run's directory, and the
        listener to finished batches.
    """
    return {
        "processor": context.resolve(Kind.PROCESSOR, processor_for(context.config, bundle.model_schema)),
        "policy": lambda: context.resolve(Kind.STOPPING, context.config.stopping),
        "seeds": context.seeds,
        "workdir": context.run_directory,
        "batch_finished": context.on_batch,
    }
