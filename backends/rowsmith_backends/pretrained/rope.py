"""RoPE scaling: extends the context of a pretrained model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rowsmith.errors import ParameterError

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

    from rowsmith.assembly.metadata import RopeScaling

__all__ = ["ROPE_LOCATION", "YARN", "stretch"]

ROPE_LOCATION = "rope_parameters"
"""Key of the rotary parameters in a configuration."""

# YaRN (B. Peng and others, 2023, arXiv:2309.00071); its frequencies do not depend on the length of a text,
# so that a record is processed in the same way wherever it is.
YARN = "yarn"


def stretch(config: PreTrainedConfig, scaling: RopeScaling) -> None:
    """Change a configuration so that its context is ``scaling.factor`` times as long.

    Args:
        config: A configuration as the model was published; changed in place.
        scaling: Method and factor; a factor of 1 changes nothing.

    Raises:
        ParameterError: The model has no rotary positions of the plain kind.
    """
    if scaling.factor == 1:
        return
    text = config.get_text_config()
    rope = getattr(text, ROPE_LOCATION, None)
    kind = None if not isinstance(rope, dict) else rope.get("rope_type")
    if not isinstance(rope, dict) or kind != "default":
        reason = "is stretched already" if isinstance(kind, str) else "has no rotary positions of the plain kind"
        raise ParameterError(
            f"the context of this {config.model_type} model {reason}: leave model.options.rope_scaling_factor out, "
            "and set model.options.context to what the model reads"
        )
    length = text.max_position_embeddings
    stretched = {**rope, "rope_type": scaling.rope_type, "factor": scaling.factor}
    if scaling.rope_type == YARN:
        stretched["original_max_position_embeddings"] = length
    if scaling.theta is not None:
        stretched["rope_theta"] = scaling.theta
    setattr(text, ROPE_LOCATION, stretched)
    text.max_position_embeddings = int(length * scaling.factor)
