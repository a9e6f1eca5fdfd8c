"""The backend ``transformers``: records sampled from a checkpoint in this process, on CPU or GPU."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from rowsmith.errors import MissingDependency
from rowsmith.generation.building import engine_backend_arguments, trained_bundle
from rowsmith.generation.engine_backend import EngineBackend
from rowsmith_backends.pretrained.loading import load_bundle_model, load_bundle_tokenizer
from rowsmith_backends.sampling.bundle_prompts import bundle_prompt_ids
from rowsmith_backends.sampling.device import on_device
from rowsmith_backends.sampling.precision import chosen_dtype
from rowsmith_backends.scratch.decoding.engine import ColumnarEngine
from rowsmith_backends.transformers.columnar_model import ColumnarLanguageModel
from rowsmith_backends.transformers.engine import CausalEngine
from rowsmith_backends.transformers.language_model import CausalLanguageModel
from rowsmith_backends.transformers.options import TransformersOptions

if TYPE_CHECKING:
    from rowsmith.assembly.metadata import ModelMetadata
    from rowsmith.config import RunConfig
    from rowsmith.context import BuildContext
    from rowsmith.generation.requests import Engine
    from rowsmith.model import Bundle

__all__ = ["TransformersBackend", "build"]


class TransformersBackend(EngineBackend):
    """Samples records with a Hugging Face model.

    Args:
        config: The run's configuration.
        model_metadata: Prompt layout, special tokens and context length.
        bundle: The trained model.
        options: Batch size, precision and device.
        **kwargs: As for ``EngineBackend``: processor, policy, seeds, workdir, observers.

    Raises:
        MissingDependency: The model is a pretrained one, and llguidance is not installed.
    """

    def __init__(
        self,
        config: RunConfig,
        model_metadata: ModelMetadata,
        *,
        bundle: Bundle,
        options: TransformersOptions | None = None,
        **kwargs: Any,
    ) -> None:
        self._bundle, self._options = bundle, options or TransformersOptions()
        super().__init__(
            config,
            model_metadata,
            engine=_engine(bundle, self._options, constrained=config.generation.constrained),
            prompt_ids=bundle_prompt_ids(bundle),
            columns=bundle.table_schema.names,
            # A columnar engine closes records in time, so it needs no length statistics.
            longest_completion=bundle.longest_completion if bundle.vocabulary is None else None,
            **kwargs,
        )

    def language_model(self) -> CausalLanguageModel:
        """The trained model for evaluations, loaded; an adapter stays apart, so that it can be switched off.

        Raises:
            BundleError: The model is damaged, holds more than data, or its base model is missing.
            GenerationError: There is no such device.
        """
        bundle, options = self._bundle, self._options
        with on_device(options.device) as device:
            dtype = chosen_dtype(options.dtype, device)
        model = load_bundle_model(bundle, dtype=dtype, merge=False)
        with on_device(options.device) as device:
            model = model.to(device)
        arguments: dict[str, Any] = {
            "prefix_ids": self.prompt_ids,
            "eos_id": bundle.metadata.prompt_config.eos_token_id,
            "block_size": bundle.metadata.max_seq_length,
            "fingerprint": bundle.fingerprint,
        }
        tokenizer = load_bundle_tokenizer(bundle)
        if bundle.vocabulary is None:
            return CausalLanguageModel(model, tokenizer, **arguments)
        engine = _engine(bundle, options, constrained=True)
        assert isinstance(engine, ColumnarEngine)
        return ColumnarLanguageModel(model, tokenizer, bundle.vocabulary, engine, **arguments)


def _engine(bundle: Bundle, options: TransformersOptions, *, constrained: bool) -> Engine:
    """The engine of a columnar model, or of one with a tokenizer of its own."""
    arguments: dict[str, Any] = {"batch_size": options.batch_size, "dtype": options.dtype, "device": options.device}
    if bundle.vocabulary is not None:
        return ColumnarEngine(bundle.model_directory, bundle.vocabulary, **arguments)
    if constrained and find_spec("llguidance") is None:
        raise MissingDependency(
            "the backend 'transformers' needs llguidance to hold a pretrained model to the grammar of records, and it "
            'is not installed. Install with: pip install "rowsmith[local]". Or set generation.constrained to false.'
        )
    return CausalEngine.of_bundle(bundle, merge=options.merge_adapter, batch_tokens=options.batch_tokens, **arguments)


def build(context: BuildContext, options: TransformersOptions | None) -> TransformersBackend:
    """Build the component, with the processor and the stopping policy that the configuration names."""
    bundle = trained_bundle(context, "transformers")
    return TransformersBackend(
        context.config, bundle.metadata, bundle=bundle, options=options, **engine_backend_arguments(context, bundle)
    )
