"""The backend ``remote``: records sampled by a server with an OpenAI-compatible completions endpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rowsmith.components import Kind
from rowsmith.errors import BundleError
from rowsmith.evaluation.models.engine_model import EngineLanguageModel
from rowsmith.generation.building import engine_backend_arguments, trained_bundle
from rowsmith.generation.engine_backend import EngineBackend
from rowsmith.plugins.servers import check_key_variable, is_named
from rowsmith_backends.remote.engine import RemoteEngine
from rowsmith_backends.remote.options import RemoteOptions
from rowsmith_backends.sampling.bundle_prompts import bundle_prompt_ids
from rowsmith_backends.sampling.bundle_tokens import BundleTokens
from rowsmith_backends.sampling.encoding import TokenizerEncoding
from rowsmith_backends.scratch.vocabulary_width import is_wide

if TYPE_CHECKING:
    from rowsmith.assembly.metadata import ModelMetadata
    from rowsmith.config import RunConfig
    from rowsmith.context import BuildContext
    from rowsmith.model import Bundle

__all__ = ["RemoteBackend", "build", "remote_engine"]


class RemoteBackend(EngineBackend):
    """Samples records from a model that a server runs.

    The server must serve the checkpoint of the bundle, under any name. Only the tokenizer of the model is loaded here,
    on first use.

    Args:
        config: The run's configuration.
        model_metadata: Prompt layout, special tokens and context length.
        bundle: The trained model.
        options: Options of the backend.
        with_key: Whether the server may be given the API key.
        **kwargs: As for ``EngineBackend``: processor, policy, seeds, workdir, observers.

    Raises:
        BundleError: The model can only be sampled behind masks that no server has.
    """

    def __init__(
        self,
        config: RunConfig,
        model_metadata: ModelMetadata,
        *,
        bundle: Bundle,
        options: RemoteOptions | None = None,
        with_key: bool = True,
        **kwargs: Any,
    ) -> None:
        self._bundle = bundle
        engine = remote_engine(bundle, options, with_key=with_key)
        super().__init__(
            config,
            model_metadata,
            engine=engine,
            prompt_ids=bundle_prompt_ids(bundle),
            columns=bundle.table_schema.names,
            remote=True,
            longest_completion=bundle.longest_completion,
            **kwargs,
        )

    def language_model(self) -> EngineLanguageModel:
        """The trained model for evaluations; log-probabilities where the server reports those of prompts."""
        self.initialize()
        bundle = self._bundle
        return EngineLanguageModel(
            self.engine,
            block_size=bundle.metadata.max_seq_length,
            prefix_ids=self.prompt_ids,
            eos_id=bundle.metadata.prompt_config.eos_token_id,
            fingerprint=bundle.fingerprint,
            encoding=TokenizerEncoding(BundleTokens(bundle.model_directory, bundle.vocabulary).tokenizer),
            column_orders=bundle.vocabulary is None,
        )


def remote_engine(bundle: Bundle, options: RemoteOptions | None = None, *, with_key: bool = True) -> RemoteEngine:
    """The engine of a bundle that a server runs.

    Args:
        bundle: The trained model.
        options: Options of the backend.
        with_key: Whether the server may be given the API key.

    Raises:
        BundleError: The model can only be sampled behind masks that no server has.
    """
    vocabulary, metadata = bundle.vocabulary, bundle.metadata
    if vocabulary is not None and is_wide(vocabulary):
        raise BundleError(
            f"{bundle.directory}: the model has {len(vocabulary):,} tokens and was trained to choose among those of "
            "one column at a time, which servers cannot do. Use the backend transformers"
        )
    return RemoteEngine(
        BundleTokens(bundle.model_directory, vocabulary),
        bundle.model_schema,
        prompt_ids=bundle_prompt_ids(bundle),
        bos_id=metadata.prompt_config.bos_token_id,
        eos_id=metadata.prompt_config.eos_token_id,
        context=metadata.max_seq_length,
        # Of grouped tables it counts groups, and a completion is one.
        most_records=metadata.max_sequences_per_example if bundle.model_schema.step is None else None,
        # The server of vLLM crashes on log-probabilities of prompts with an adapter.
        scored=bundle.base is None,
        options=options,
        with_key=with_key,
    )


def build(context: BuildContext, options: RemoteOptions | None) -> RemoteBackend:
    """Build the component, with the processor and the stopping policy that the configuration names."""
    bundle, options = trained_bundle(context, "remote"), options or RemoteOptions()
    check_key_variable(options, context.caller, Kind.BACKEND)
    return RemoteBackend(
        context.config,
        bundle.metadata,
        bundle=bundle,
        options=options,
        with_key=is_named(options, context.caller, Kind.BACKEND),
        **engine_backend_arguments(context, bundle),
    )
