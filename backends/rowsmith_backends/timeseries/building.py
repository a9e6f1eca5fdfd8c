"""Builds the backend ``timeseries`` around the engine of another one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rowsmith.components import ComponentRef, Kind
from rowsmith.config.defaults import record_processor_for
from rowsmith.errors import BundleError, PluginContractError
from rowsmith.generation.building import engine_backend_arguments, trained_bundle
from rowsmith.generation.requests import Engine
from rowsmith_backends.sampling.bundle_tokens import load_tokenizer
from rowsmith_backends.timeseries.backend import TimeseriesBackend
from rowsmith_backends.timeseries.codec import RecordCodec, codec_of_tokenizer, codec_of_vocabulary
from rowsmith_backends.timeseries.options import TimeseriesOptions

if TYPE_CHECKING:
    from rowsmith.context import BuildContext
    from rowsmith.model import Bundle

__all__ = ["build"]


def build(context: BuildContext, options: TimeseriesOptions | None) -> TimeseriesBackend:
    """Build the component around the engine of the backend that its options name.

    Raises:
        BundleError: There is no model, or it was not trained on time series.
        PluginContractError: The named backend has no engine.
    """
    chosen = options or TimeseriesOptions()
    bundle = trained_bundle(context, "timeseries")
    if bundle.series is None:
        raise BundleError(
            f"{bundle.directory}: the model was not trained on time series; train it with time_series.is_timeseries."
        )
    codec, tokenizer = _codec(bundle)
    return TimeseriesBackend(
        context.config,
        bundle.metadata,
        engine=_engine(context, chosen.engine),
        plan=bundle.series,
        codec=codec,
        table_schema=bundle.table_schema,
        options=chosen,
        tokenizer=tokenizer,
        **engine_backend_arguments(context, bundle)
        | {"processor": context.resolve(Kind.PROCESSOR, record_processor_for(context.config))},
    )


def _engine(context: BuildContext, ref: ComponentRef) -> Engine:
    built = context.resolve(Kind.BACKEND, ref)
    engine = built if isinstance(built, Engine) else getattr(built, "engine", None)
    if not isinstance(engine, Engine):
        raise PluginContractError(
            f"backend {ref.name or ref.factory!r} has no engine to write time series with: its attribute 'engine' must "
            "be an Engine (see the guide to backends)"
        )
    return engine


def _codec(bundle: Bundle) -> tuple[RecordCodec, Any]:
    vocabulary = bundle.vocabulary
    if vocabulary is not None and vocabulary.closed:
        return codec_of_vocabulary(vocabulary), None
    tokenizer = load_tokenizer(bundle.model_directory)
    return codec_of_tokenizer(bundle.model_schema, tokenizer), tokenizer
