"""Trained models as evaluators open them: the model, its configuration, and the evaluations that it names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import frozen

from rowsmith.components import ComponentRef, Kind
from rowsmith.config import RunConfig
from rowsmith.config.conversion import structure
from rowsmith.config.defaults import evaluations_for
from rowsmith.context import BuildContext
from rowsmith.errors import BundleError, ParameterError, PluginError
from rowsmith.evaluation.models.evaluation import Evaluation
from rowsmith.evaluation.models.inference import unsupported
from rowsmith.evaluation.models.model import LanguageModel, ProvidesLanguageModel
from rowsmith.model.bundle import BUNDLE_FILE, load_bundle
from rowsmith.plugins import Registry
from rowsmith.plugins.imports import check_installed_module
from rowsmith.randomness.seeds import Seeds
from rowsmith.storage.run_directory import RunDirectory

if TYPE_CHECKING:
    from rowsmith.evaluation.models.inference import ExecutionSpec

__all__ = ["BUNDLE_FOLDER", "PLAN_FILE", "OpenedCheckpoint", "open_checkpoint"]

BUNDLE_FOLDER = "bundle"
"""The bundle in a run directory."""

PLAN_FILE = "plan.json"
"""The plan in a run directory, with the configuration of the run."""


@frozen(eq=False)
class OpenedCheckpoint:
    """A trained model that is ready for evaluation.

    Attributes:
        model: The model.
        config: The configuration that it was trained with.
        directory: Where results go.
        evaluations: What is evaluated; of what cannot be, its name, the reason, and whether that is an error.
    """

    model: LanguageModel
    config: RunConfig
    directory: RunDirectory
    evaluations: Sequence[Evaluation | tuple[str, str, bool]]


def open_checkpoint(suffix: str | Path, spec: ExecutionSpec) -> OpenedCheckpoint:
    """Open a trained model; no code of its choice runs, and the backend is the caller's choice.

    Args:
        suffix: Its run directory or bundle, below ``spec.root``.
        spec: How it is evaluated.

    Raises:
        ParameterError: ``suffix`` leads out of ``spec.root``.
        BundleError: There is no trained model, or it is damaged.
        PluginError: The backend or an evaluation of the configuration is missing, or code that it names is not allowed.
        ParameterError: The backend's model cannot be evaluated.
    """
    directory = RunDirectory(_below(spec.root, suffix))
    bundle_folder = directory.root / BUNDLE_FOLDER
    if not (bundle_folder / BUNDLE_FILE).exists():
        bundle_folder = directory.root
    if not (bundle_folder / BUNDLE_FILE).exists():
        raise BundleError(f"{directory.root} holds no trained model. Give the folder of a run, below {spec.root}.")
    for factory in spec.allow_factory:
        check_installed_module(factory, directory.root)
    config = _stored_config(directory)
    registry = (spec.registry or Registry(disable=config.plugins.disable)).with_allowed_factories(spec.allow_factory)
    context = BuildContext(config=config, registry=registry, seeds=Seeds(spec.seed), run_directory=directory)
    bundle = load_bundle(bundle_folder, context)
    context = context.evolve(
        bundle=bundle, table_schema=bundle.table_schema, model_schema=bundle.model_schema, metadata=bundle.metadata
    )
    backend = registry.build(Kind.BACKEND, spec.backend, context)
    if not isinstance(backend, ProvidesLanguageModel):
        raise unsupported(backend)
    chosen = evaluations_for(config) if spec.evaluations is None else spec.evaluations
    evaluations = [each if isinstance(each, Evaluation) else _built(each, context, spec.tables) for each in chosen]
    return OpenedCheckpoint(backend.language_model(), config, directory, evaluations)


def _built(ref: ComponentRef | str, context: BuildContext, tables: Any) -> Evaluation | tuple[str, str, bool]:
    """An evaluation that a configuration names, bound to the tables where it needs them."""
    name = ref if isinstance(ref, str) else ref.name or ref.factory or ""
    try:
        component: Any = context.resolve(Kind.EVALUATION, ref)
        if hasattr(component, "bind"):
            if tables is None:
                return (
                    name,
                    "it needs the tables that the model was trained on and not; give ExecutionSpec.tables",
                    False,
                )
            component = component.bind(tables)
    except PluginError:
        raise
    except Exception as error:
        # A component is foreign code: the other evaluations are not affected.
        return name, f"{type(error).__name__}: {error}", True
    if isinstance(component, Evaluation):
        return component
    return name, "it judges tables, and not a model", False


def _below(root: Path, suffix: str | Path) -> Path:
    path = root / suffix
    if not path.resolve().is_relative_to(root.resolve()):
        raise ParameterError(f"{str(suffix)!r:.200} leads out of {root}; give the name of a folder in it")
    return path


def _stored_config(directory: RunDirectory) -> RunConfig:
    """The configuration of a run; the defaults for a bundle without its run."""
    if not directory.exists(PLAN_FILE):
        return RunConfig()
    plan = directory.read_json(PLAN_FILE)
    source = str(directory.path(PLAN_FILE))
    return structure(plan.get("config", {}) if isinstance(plan, dict) else plan, RunConfig, source=source)
