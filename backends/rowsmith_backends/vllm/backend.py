"""The backend ``vllm``: records sampled by vLLM, on GPUs or a CPU."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from attrs import evolve

from rowsmith.evaluation.models.engine_model import EngineLanguageModel
from rowsmith.generation.building import engine_backend_arguments, trained_bundle
from rowsmith.generation.engine_backend import EngineBackend
from rowsmith.model.bundle_safety import ADAPTER_CONFIG, check_adapter, check_checkpoint
from rowsmith_backends.sampling.bundle_prompts import bundle_prompt_ids
from rowsmith_backends.sampling.bundle_tokens import BundleTokens
from rowsmith_backends.sampling.encoding import TokenizerEncoding
from rowsmith_backends.vllm.engine import VllmEngine, VllmModel
from rowsmith_backends.vllm.options import VllmOptions

if TYPE_CHECKING:
    from rowsmith.assembly.metadata import ModelMetadata
    from rowsmith.config import RunConfig
    from rowsmith.context import BuildContext
    from rowsmith.model import Bundle

__all__ = ["VllmBackend", "build"]

LOG_FILE = "vllm.log"


class VllmBackend(EngineBackend):
    """Samples records with vLLM, which runs in a process of its own.

    Args:
        config: The run's configuration.
        model_metadata: Prompt layout, special tokens and context length.
        bundle: The trained model: a whole checkpoint, or a LoRA adapter on a pretrained model.
        options: Options of the backend.
        **kwargs: As for ``EngineBackend``: processor, policy, seeds, workdir, observers.

    Raises:
        BundleError: The bundle holds more than data, is damaged, or its base model is missing or another one.
    """

    def __init__(
        self,
        config: RunConfig,
        model_metadata: ModelMetadata,
        *,
        bundle: Bundle,
        options: VllmOptions | None = None,
        **kwargs: Any,
    ) -> None:
        chosen = options or VllmOptions()
        if chosen.max_model_len is not None:
            model_metadata = _with_context(model_metadata, chosen.max_model_len)
        workdir = kwargs.get("workdir")
        self._bundle, self._tokens = bundle, BundleTokens(bundle.model_directory, bundle.vocabulary)
        engine = VllmEngine(
            _model(bundle),
            self._tokens,
            bundle.model_schema,
            bos_id=model_metadata.prompt_config.bos_token_id,
            eos_id=model_metadata.prompt_config.eos_token_id,
            context=model_metadata.max_seq_length,
            options=chosen,
            log=None if workdir is None else workdir.create().path(LOG_FILE),
        )
        super().__init__(
            config,
            model_metadata,
            engine=engine,
            prompt_ids=bundle_prompt_ids(bundle),
            columns=bundle.table_schema.names,
            longest_completion=bundle.longest_completion,
            **kwargs,
        )

    def language_model(self) -> EngineLanguageModel:
        """The trained model for evaluations; it starts vLLM."""
        self.initialize()
        return EngineLanguageModel(
            self.engine,
            block_size=self.model_metadata.max_seq_length,
            prefix_ids=self.prompt_ids,
            eos_id=self.model_metadata.prompt_config.eos_token_id,
            fingerprint=self._bundle.fingerprint,
            encoding=TokenizerEncoding(self._tokens.tokenizer),
            constrained=self._bundle.vocabulary is not None,
            column_orders=self._bundle.vocabulary is None,
        )


def _with_context(metadata: ModelMetadata, max_tokens: int) -> ModelMetadata:
    """The metadata with a context of at most ``max_tokens`` tokens."""
    share = min(1.0, max_tokens / metadata.max_seq_length)
    return evolve(metadata, base_max_seq_length=max(1, int(metadata.base_max_seq_length * share)))


def _model(bundle: Bundle) -> VllmModel:
    folder = bundle.model_directory
    if bundle.base is None:
        if bundle.vocabulary is None:
            check_checkpoint(folder, kinds=None)
        else:
            check_checkpoint(folder)
        return VllmModel(folder=folder, tokenizer=folder)
    from rowsmith_backends.pretrained.loading import base_folder, load_config
    from rowsmith_backends.pretrained.rope import ROPE_LOCATION, stretch

    check_adapter(folder)
    base = base_folder(bundle.base, fetch=bundle.fetch_base)
    overrides = None
    if bundle.metadata.rope_scaling is not None:
        config = load_config(base)
        stretch(config, bundle.metadata.rope_scaling)
        text = config.get_text_config()
        overrides = {
            ROPE_LOCATION: getattr(text, ROPE_LOCATION),
            "max_position_embeddings": text.max_position_embeddings,
        }
    rank = json.loads((folder / ADAPTER_CONFIG).read_text(encoding="utf-8"))["r"]
    return VllmModel(folder=base, tokenizer=folder, adapter=folder, rank=rank, overrides=overrides)


def build(context: BuildContext, options: VllmOptions | None) -> VllmBackend:
    """Build the component, with the processor and the stopping policy that the configuration names."""
    bundle = trained_bundle(context, "vllm")
    return VllmBackend(
        context.config, bundle.metadata, bundle=bundle, options=options, **engine_backend_arguments(context, bundle)
    )
