"""LoRA adapters: creation, saving as plain data, and loading onto the base model."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import frozen
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict
from safetensors.torch import load_file, save_file
from transformers.pytorch_utils import Conv1D

from rowsmith.errors import BundleError
from rowsmith.model.bundle_safety import ADAPTER_CONFIG, ADAPTER_WEIGHTS

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel

__all__ = ["Adapter", "add_adapter", "save_adapter", "with_adapter"]

ALL_LINEAR = "all-linear"


@frozen(kw_only=True)
class Adapter:
    """The shape of a LoRA adapter.

    Attributes:
        rank: Rank of its matrices.
        alpha: Their scale: divided by the rank, or by its root with ``rslora``.
        rslora: Whether the scale goes by the root of the rank (D. Kalajdzievski, 2023, arXiv:2312.03732).
        modules: Names of the layers that get one; ``all-linear`` for every linear layer but the last.
        dropout: Share of its inputs that training leaves out.
    """

    rank: int
    alpha: float
    rslora: bool
    modules: tuple[str, ...]
    dropout: float = 0.0

    def config(self, model: PreTrainedModel) -> LoraConfig:
        """The configuration of peft for a model."""
        every = self.modules == (ALL_LINEAR,)
        return LoraConfig(
            task_type="CAUSAL_LM",
            r=self.rank,
            lora_alpha=self.alpha,
            use_rslora=self.rslora,
            target_modules=ALL_LINEAR if every else list(self.modules),
            lora_dropout=self.dropout,
            fan_in_fan_out=any(isinstance(module, Conv1D) for module in model.modules()),
            bias="none",
        )


def add_adapter(model: PreTrainedModel, adapter: Adapter) -> PeftModel:
    """Add a new adapter to a model; it is initialised to no effect, and only its weights are trained.

    Args:
        model: The base model.
        adapter: The adapter's shape.

    Raises:
        ValueError: The model has no layers of these names.
    """
    return get_peft_model(model, adapter.config(model), autocast_adapter_dtype=True)


def save_adapter(model: PeftModel, folder: Path, base_name: str) -> None:
    """Save an adapter in the format of peft and vLLM.

    Args:
        model: The model with its adapter.
        folder: Target folder.
        base_name: Name of the base model.
    """
    state = get_peft_model_state_dict(model, save_embedding_layers=False)
    tensors = {name: weight.detach().cpu().contiguous() for name, weight in state.items()}
    save_file(tensors, folder / ADAPTER_WEIGHTS, metadata={"format": "pt"})
    config = model.peft_config["default"]
    plain = {
        "peft_type": "LORA",
        "task_type": config.task_type,
        "base_model_name_or_path": base_name,
        "r": config.r,
        "lora_alpha": config.lora_alpha,
        "use_rslora": config.use_rslora,
        "lora_dropout": config.lora_dropout,
        "target_modules": _modules(model, config.target_modules),
        "fan_in_fan_out": config.fan_in_fan_out,
        "bias": "none",
        "inference_mode": True,
    }
    (folder / ADAPTER_CONFIG).write_text(json.dumps(plain, indent=2), encoding="utf-8")


def _modules(model: PeftModel, names: Iterable[str]) -> list[str]:
    """Names of the layers with an adapter: short ones if no other layer has them."""
    short = {name.rpartition(".")[2] for name in names}
    called = (module for name, module in model.named_modules() if name.rpartition(".")[2] in short)
    return sorted(short if all(hasattr(module, "lora_A") for module in called) else names)


def with_adapter(model: PreTrainedModel, folder: Path) -> PeftModel:
    """A model with a saved adapter.

    Only the adapter's shape is taken from its configuration, and nothing is imported or fetched for it.

    Args:
        model: The base model.
        folder: Folder of the adapter, checked by ``check_adapter``.

    Raises:
        BundleError: The adapter is damaged, or does not fit the model.
    """
    try:
        weights = load_file(folder / ADAPTER_WEIGHTS)
        adapter = _shape(json.loads((folder / ADAPTER_CONFIG).read_text(encoding="utf-8")))
        _check_rank(weights, adapter.rank)
        made = get_peft_model(model, adapter.config(model), autocast_adapter_dtype=False)
        expected = {name: weight.shape for name, weight in get_peft_model_state_dict(made).items()}
        if {name: weight.shape for name, weight in weights.items()} != expected:
            raise ValueError("its weights are not those of the layers that it names")
        set_peft_model_state_dict(made, weights)
    except Exception as error:
        # A malformed adapter may fail anywhere.
        reason = f"{type(error).__name__}: {error}".splitlines()[0][:200]
        raise BundleError(
            f"{folder} is no adapter of this model ({reason}). Train again, or restore the files."
        ) from error
    return made


def _shape(config: dict[str, Any]) -> Adapter:
    return Adapter(
        rank=config["r"],
        alpha=config["lora_alpha"],
        rslora=config.get("use_rslora", False),
        modules=tuple(config["target_modules"]),
    )


def _check_rank(weights: dict[str, Any], rank: int) -> None:
    """Check that the rank matches the weights, before matrices of this size are allocated."""
    if not all(weight.shape[0] == rank for name, weight in weights.items() if ".lora_A." in name):
        raise ValueError("its rank is not that of its weights")
