"""Reversible steps between the user's table and the table that a model learns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rowsmith._lazy import lazy_names

if TYPE_CHECKING:
    from rowsmith.config.defaults import default_transforms
    from rowsmith.transforms.contract import FittedTransform, RetainedRelation, Scope, Transform
    from rowsmith.transforms.fitted_transforms import FittedTransforms, fit_transforms, schema_from_state, schema_state

__all__ = [
    "FittedTransform",
    "FittedTransforms",
    "RetainedRelation",
    "Scope",
    "Transform",
    "default_transforms",
    "fit_transforms",
    "schema_from_state",
    "schema_state",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "rowsmith.config.defaults": ["default_transforms"],
        "rowsmith.transforms.contract": ["FittedTransform", "RetainedRelation", "Scope", "Transform"],
        "rowsmith.transforms.fitted_transforms": [
            "FittedTransforms",
            "fit_transforms",
            "schema_from_state",
            "schema_state",
        ],
    },
)
