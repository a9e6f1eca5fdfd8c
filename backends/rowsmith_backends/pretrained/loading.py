"""Loading of pretrained models with safety checks, for training and for every engine in this process.

Weights are safetensors and everything else is JSON; custom code of a model is never run.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from rowsmith.errors import BundleError, RowsmithError
from rowsmith.model.bundle_safety import check_adapter, check_checkpoint
from rowsmith.model.weight_headers import shapes_of
from rowsmith.storage.regular_files import read_regular_file
from rowsmith_backends.pretrained.base_lookup import (
    base_folder,
    base_model,
    digest_of,
    resolve_base,
    shortened,
    unusable_base,
)
from rowsmith_backends.pretrained.lora import with_adapter
from rowsmith_backends.pretrained.rope import stretch
from rowsmith_backends.training.progress_bars import no_progress_bars

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerFast

    from rowsmith.assembly.metadata import RopeScaling
    from rowsmith.model import Bundle

__all__ = [
    "base_folder",
    "base_model",
    "check_all_loaded",
    "digest_of",
    "load_base",
    "load_bundle_model",
    "load_bundle_tokenizer",
    "load_config",
    "load_tokenizer",
    "resolve_base",
    "unusable_base",
]

_OWN_ATTENTION = ("eager", "sdpa", "flash_attention_2", "flex_attention")

T = TypeVar("T")

ErrorFactory = Callable[[str], RowsmithError]
"""Creates the error of a model that cannot be used."""


def load_config(folder: Path, error: ErrorFactory = BundleError) -> PreTrainedConfig:
    """The configuration of a model of any architecture that transformers knows by itself.

    Args:
        folder: The model's folder.
        error: Makes the error that is raised when it cannot be read.
    """
    setting = _load(lambda: _custom_code_setting(json.loads(read_regular_file(folder / "config.json"))), folder, error)
    if setting is not None:
        raise error(f"{folder / 'config.json'} sets {setting}, which may fetch or run something. Take another model.")
    return _load(
        lambda: AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True), folder, error
    )


def _custom_code_setting(values: Mapping[str, Any]) -> str | None:
    """A setting of a configuration that makes transformers fetch a kernel or load a plugin; None without one."""
    for name, value in values.items():
        if name.endswith("_implementation") and isinstance(value, str) and value not in _OWN_ATTENTION:
            return name
        if name in ("quantization_config", "compression_config"):
            return name
        inner = _custom_code_setting(value) if isinstance(value, Mapping) else None
        if inner is not None:
            return inner
    return None


def load_tokenizer(folder: Path, error: ErrorFactory = BundleError) -> PreTrainedTokenizerFast:
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
    error: ErrorFactory = BundleError,
) -> PreTrainedModel:
    """Load a pretrained model with its context extended; used for training and inference alike.

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
    folder = base_folder(bundle.base, fetch=bundle.fetch_base)
    base = load_base(folder, dtype=dtype, rope_scaling=bundle.metadata.rope_scaling, attn=attn)
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
    folder: Path, config: PreTrainedConfig, dtype: torch.dtype, attn: str | None, error: ErrorFactory
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
    check_all_loaded(folder, info, error)
    return model


def check_all_loaded(folder: Path, info: Mapping[str, Any], refuse: ErrorFactory = BundleError) -> None:
    """Reject a model with weights that are missing from its files, or of other shapes.

    Args:
        folder: The model's folder.
        info: Loading information of ``from_pretrained``.
        refuse: Creates the error that is raised.
    """
    for kind, words in (("missing", "lacks weights"), ("mismatched", "holds weights of other shapes")):
        found = sorted(map(str, info.get(f"{kind}_keys", ())))
        if found:
            raise refuse(f"{folder} {words}, {found[0]} among them. Restore the files, or take another model.")


@no_progress_bars()
def _load(load: Callable[[], T], folder: Path, refuse: ErrorFactory) -> T:
    try:
        return load()
    except (RowsmithError, torch.OutOfMemoryError, MemoryError):
        raise
    except Exception as error:
        # Loaders raise errors of every kind, some of them plain exceptions.
        raise refuse(f"{folder} cannot be loaded ({shortened(error)}). Restore the files, or train again.") from error


def _check_size(folder: Path, config: PreTrainedConfig) -> None:
    """Reject a model larger than its weights: missing ones would be initialised at random, and fill the memory."""
    num_weights = sum(math.prod(shape) for shape in shapes_of(folder).values())
    # Modules are created without memory for weights; there cannot be more layers than weights.
    layers = getattr(config.get_text_config(), "num_hidden_layers", None)
    if type(layers) is not int or not 1 <= layers <= num_weights:
        raise BundleError(f"{folder / 'config.json'} is damaged: it does not say how large the model is. Train again.")
    with torch.device("meta"):
        model = _load(lambda: AutoModelForCausalLM.from_config(config, trust_remote_code=False), folder, BundleError)
    declared = sum(weight.numel() for weight in model.parameters())
    if declared > num_weights:
        raise BundleError(
            f"{folder / 'config.json'} declares more parameters ({declared:,}) than the weights hold "
            f"({num_weights:,}). Train again, or restore the files."
        )
