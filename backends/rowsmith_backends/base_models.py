"""Pretrained models as they are found, checked and loaded, for training and for every engine in this process.

Weights are safetensors and everything else is JSON; code that a model brings along is never run.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from rowsmith.bundle_safety import check_adapter, check_checkpoint
from rowsmith.errors import BundleError, RowsmithError
from rowsmith_backends.adapters import with_adapter
from rowsmith_backends.base_finding import base_folder, base_model, digest_of, refused_base, resolve_base, shortened
from rowsmith_backends.progress_bars import no_progress_bars
from rowsmith_backends.rope import stretch

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerFast

    from rowsmith.bundle import Bundle
    from rowsmith.model_metadata import RopeScaling

__all__ = [
    "base_folder",
    "base_model",
    "digest_of",
    "load_base",
    "load_bundle_model",
    "load_bundle_tokenizer",
    "load_config",
    "load_tokenizer",
    "refused_base",
    "resolve_base",
]

T = TypeVar("T")

Refusal = Callable[[str], RowsmithError]
"""Makes the error of a model that cannot be used."""


def load_config(folder: Path, error: Refusal = BundleError) -> PreTrainedConfig:
    """The configuration of a model of any architecture that transformers knows by itself.

    Args:
        folder: The model's folder.
        error: Makes the error that is raised when it cannot be read.
    """
    return _load(
        lambda: AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True), folder, error
    )


def load_tokenizer(folder: Path, error: Refusal = BundleError) -> PreTrainedTokenizerFast:
    """The tokenizer of a model.

    Args:
        folder: The model's folder.
        error: Makes the error that is raised when it cannot be read, or is not of the fast kind.
    """
    tokenizer = _load(
        lambda: AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True), folder, error
    )
    if not getattr(tokenizer, "is_fast", False):
        raise error(f"{folder} has no tokenizer.json that can be read: take a model with a fast tokenizer.")
    return tokenizer


def load_base(
    folder: Path,
    *,
    dtype: torch.dtype,
    rope_scaling: RopeScaling | None = None,
    attn: str | None = None,
    error: Refusal = BundleError,
) -> PreTrainedModel:
    """A pretrained model with its context stretched; the one way for training and for inference.

    Args:
        folder: The model's folder.
        dtype: Precision of the weights.
        rope_scaling: How the context is lengthened; None leaves it as it is.
        attn: The attention to compute with, as transformers names it; None for its choice.
        error: Makes the error that is raised when it cannot be loaded.

    Returns:
        The model, on the CPU.
    """
    config = load_config(folder, error)
    if rope_scaling is not None:
        stretch(config, rope_scaling)
    return _load_model(folder, config, dtype, attn, error)


def load_bundle_model(
    bundle: Bundle, *, dtype: torch.dtype, merge: bool = True, attn: str | None = None
) -> PreTrainedModel:
    """The trained model of a bundle: a whole checkpoint, or an adapter on its base model.

    Args:
        bundle: The bundle.
        dtype: Precision of the weights.
        merge: Whether an adapter becomes part of the weights; otherwise a ``PeftModel`` is given.
        attn: The attention to compute with, as transformers names it; None for its choice.

    Returns:
        The model, on the CPU, in evaluation mode.

    Raises:
        BundleError: It holds more than data, is damaged, or its base model is missing or another one.
    """
    if bundle.base is None:
        check_checkpoint(bundle.model_directory, kinds=None)
        config = load_config(bundle.model_directory)
        _check_size(bundle.model_directory, config)
        return _load_model(bundle.model_directory, config, dtype, attn, BundleError).eval()
    check_adapter(bundle.model_directory)
    base = load_base(base_folder(bundle.base), dtype=dtype, rope_scaling=bundle.metadata.rope_scaling, attn=attn)
    model = with_adapter(base, bundle.model_directory)
    return (model.merge_and_unload() if merge else model).eval()


def load_bundle_tokenizer(bundle: Bundle) -> PreTrainedTokenizerFast:
    """The tokenizer of a bundle.

    Args:
        bundle: The bundle.

    Raises:
        BundleError: It holds more than data, or is damaged.
    """
    if bundle.base is None:
        check_checkpoint(bundle.model_directory, kinds=None)
    else:
        check_adapter(bundle.model_directory)
    return load_tokenizer(bundle.model_directory)


def _load_model(
    folder: Path, config: PreTrainedConfig, dtype: torch.dtype, attn: str | None, error: Refusal
) -> PreTrainedModel:
    def load() -> Any:
        return AutoModelForCausalLM.from_pretrained(
            folder,
            config=config,
            dtype=dtype,
            attn_implementation=attn,
            use_safetensors=True,
            trust_remote_code=False,
            local_files_only=True,
            output_loading_info=True,
        )

    model, info = _load(load, folder, error)
    missing = sorted(info.get("missing_keys", ()))
    if missing:
        raise error(f"{folder} lacks weights, {missing[0]} among them. Restore the files, or take another model.")
    return model


@no_progress_bars()
def _load(load: Callable[[], T], folder: Path, refuse: Refusal) -> T:
    try:
        return load()
    except (RowsmithError, torch.OutOfMemoryError, MemoryError):
        raise
    except Exception as error:
        # Loaders raise errors of every kind, some of them plain exceptions.
        raise refuse(f"{folder} cannot be loaded ({shortened(error)}). Restore the files, or train again.") from error


def _check_size(folder: Path, config: PreTrainedConfig) -> None:
    """A model cannot be larger than its weights: what is missing would be made up, and fill the memory."""
    text = config.get_text_config()
    sizes = [getattr(text, name, None) for name in ("vocab_size", "hidden_size", "num_hidden_layers")]
    if not all(isinstance(size, int) and size > 0 for size in sizes):
        raise BundleError(f"{folder / 'config.json'} is damaged: it does not say how large the model is. Train again.")
    vocabulary, width, layers = (int(size or 0) for size in sizes)
    held = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
    if vocabulary * width + layers * width > held:
        raise BundleError(
            f"{folder / 'config.json'} declares more parameters than the weights' {held:,} bytes hold. "
            "Train again, or restore the files."
        )
