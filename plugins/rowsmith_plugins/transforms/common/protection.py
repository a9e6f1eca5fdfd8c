"""Settings shared by ``protect-rare`` and ``quantize`` to exclude rare numbers from the model."""

from __future__ import annotations

from attrs import evolve

from rowsmith.components import ComponentRef
from rowsmith.config.conversion import structure
from rowsmith.config.defaults import transforms_for
from rowsmith.context import BuildContext
from rowsmith_plugins.transforms.common.layout import grouping
from rowsmith_plugins.transforms.options import ProtectRareOptions, QuantizeOptions

__all__ = ["TEXT_LABELS_COVER", "k_of_run", "quantize_of_run", "quantize_options"]

TEXT_LABELS_COVER = 0.1
"""The share of rows from which frequent values of a text column become labels."""


def k_of_run(context: BuildContext) -> int:
    """Minimum rows of a value that is not rare; 1 if nothing is protected."""
    ref = _chosen(context, "protect-rare")
    return 1 if ref is None else structure(ref.options, ProtectRareOptions).k


def quantize_of_run(context: BuildContext) -> QuantizeOptions | None:
    """The options of ``quantize`` in the run; None without it."""
    ref = _chosen(context, "quantize")
    return None if ref is None else quantize_options(context, structure(ref.options, QuantizeOptions))


def quantize_options(context: BuildContext, options: QuantizeOptions) -> QuantizeOptions:
    """The options of ``quantize`` in a run: group columns are excluded, and ``k`` is at least that of ``protect-rare``.

    Args:
        context: The run.
        options: The options as the user gave them.
    """
    options = evolve(options, exclude=(*options.exclude, *grouping(context)))
    k = k_of_run(context)
    return evolve(options, k=max(options.k, k), value_k=max(options.value_k, k))


def _chosen(context: BuildContext, name: str) -> ComponentRef | None:
    refs = transforms_for(context.config)
    return next((ref for ref in refs if ref.name is not None and ref.name.rpartition(":")[2] == name), None)
