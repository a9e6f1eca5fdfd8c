"""The plan of a run: everything that was decided before and while it ran, enough to repeat it.

A plan is immutable; a later stage writes a new one. A run may only continue under a plan of the same configuration,
data and plugin versions.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping, Set
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from attrs import evolve, field, frozen

from rowsmith import __version__
from rowsmith.config import RunConfig, to_mapping
from rowsmith.config.conversion import structure, unstructure
from rowsmith.errors import ConfigError, RunDirectoryError
from rowsmith.sequences.row_order import RowOrder

if TYPE_CHECKING:
    from rowsmith.plugins.records import ProvidedComponent
    from rowsmith.storage.run_directory import RunDirectory

__all__ = ["FORMAT", "PLAN_FILE", "Plan", "PluginVersion", "library_versions"]

FORMAT = 1
PLAN_FILE = "plan.json"
_IMMATERIAL = {("data", "source"), ("training", "checkpoint_every")}
_EVALUATION = "evaluation"
"""What is measured of the rows does not change them."""
_LIBRARIES = ("numpy", "pandas", "pyarrow", "torch", "transformers", "tokenizers", "peft")


@frozen(kw_only=True)
class PluginVersion:
    """Where a component of a run comes from.

    Attributes:
        component: Its full name, ``plugin:name``, or its factory.
        distribution: The distribution of the plugin; empty for a factory that no plugin registers.
        version: That distribution's version.
    """

    component: str
    distribution: str = ""
    version: str = ""

    @classmethod
    def of(cls, found: ProvidedComponent) -> PluginVersion:
        """The version of a component that the registry found."""
        return cls(component=found.full_name, distribution=found.distribution, version=found.version)


def library_versions() -> dict[str, str]:
    """Versions that decide whether a run can be repeated exactly; what is not installed is left out."""
    versions = {"python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions


@frozen(kw_only=True)
class Plan:
    """The decisions of one run.

    Attributes:
        config: The configuration; ``resolve`` replaces each ``auto`` by what was chosen.
        plugins: Every component in use, by its path in the configuration, such as ``backend``.
        seeds: The seeds passed to libraries, by stage.
        steps: Counts that fix the work, such as ``total_steps``.
        data_fingerprint: A hash of the table's content; empty before it is read.
        rows: Rows per part of the table: ``train``, ``validation``, ``holdout``.
        order: By what the rows of a group follow each other; None for plain tables, and before the table is read.
        libraries: Versions of Python and of the libraries that compute.
        rowsmith: The version that made the plan.
        format: The version of this layout.
    """

    config: RunConfig
    plugins: Mapping[str, PluginVersion] = field(factory=dict)
    seeds: Mapping[str, int] = field(factory=dict)
    steps: Mapping[str, int] = field(factory=dict)
    data_fingerprint: str = ""
    rows: Mapping[str, int] = field(factory=dict)
    order: RowOrder | None = None
    libraries: Mapping[str, str] = field(factory=library_versions)
    rowsmith: str = __version__
    format: int = FORMAT

    @property
    def learned_config(self) -> RunConfig:
        """The configuration that the table is learned by, with the order that it has."""
        return self.config if self.order is None else self.order.applied_to(self.config)

    def resolve(self, **choices: Any) -> Plan:
        """A plan whose configuration has what was chosen for ``auto``."""
        return evolve(self, config=evolve(self.config, **choices))

    def with_steps(self, **counts: int) -> Plan:
        """A plan with more counts, each replacing one of the same name."""
        return evolve(self, steps={**self.steps, **counts})

    def to_mapping(self) -> dict[str, Any]:
        """The plan as plain data."""
        return {
            "format": self.format,
            "rowsmith": self.rowsmith,
            "config": to_mapping(self.config),
            "plugins": {
                path: {"component": used.component, "distribution": used.distribution, "version": used.version}
                for path, used in self.plugins.items()
            },
            "seeds": dict(self.seeds),
            "steps": dict(self.steps),
            "data_fingerprint": self.data_fingerprint,
            "rows": dict(self.rows),
            "order": unstructure(self.order),
            "libraries": dict(self.libraries),
        }

    @classmethod
    def from_mapping(cls, value: Any, source: str = PLAN_FILE) -> Plan:
        """The plan that plain data describes.

        Raises:
            RunDirectoryError: It is of another version or damaged.
        """
        layout = value.get("format") if isinstance(value, Mapping) else None
        if layout != FORMAT:
            raise RunDirectoryError(
                f"{source} has layout {layout!r}, this version of Rowsmith reads {FORMAT}. Start the run again."
            )
        try:
            return structure(value, cls, source=source)
        except ConfigError as exc:
            raise RunDirectoryError(f"{source} is damaged. Start the run again.\n{exc}") from exc

    def save(self, run_directory: RunDirectory) -> None:
        """Write the plan to its run directory."""
        run_directory.write_json(PLAN_FILE, self.to_mapping())

    @classmethod
    def load(cls, run_directory: RunDirectory) -> Plan:
        """Read the plan of a run directory.

        Raises:
            RunDirectoryError: There is none, or it is damaged or of another version.
        """
        return cls.from_mapping(run_directory.read_json(PLAN_FILE), str(run_directory.path(PLAN_FILE)))

    def differences(self, other: Plan) -> tuple[str, ...]:
        """What prevents a run under this plan from continuing under the other, each by its key.

        Step counts, rows and their order are outcomes and are not compared; neither is what does not change the rows,
        which are the path of the table, how often states are saved and what is measured. A component that only one of
        them lists follows from the configuration, which is compared.
        """
        plans = (self.to_mapping(), other.to_mapping())
        shared = plans[0]["plugins"].keys() & plans[1]["plugins"].keys()
        mine, others = (_leaves(_compared(plan, shared)) for plan in plans)
        found = [
            f"{path} was {mine.get(path)!r} and is {others.get(path)!r}"
            for path in sorted({*mine, *others})
            if mine.get(path) != others.get(path)
        ]
        return (*found, *(["the data are not the same"] if self.data_fingerprint != other.data_fingerprint else []))


def _compared(plan: Mapping[str, Any], shared: Set[str]) -> dict[str, Any]:
    config = {
        section: {key: value for key, value in values.items() if (section, key) not in _IMMATERIAL}
        if isinstance(values, Mapping)
        else values
        for section, values in plan["config"].items()
        if section != _EVALUATION
    }
    plugins = {path: plan["plugins"][path] for path in shared if not path.startswith(_EVALUATION)}
    return {**config, "plugins": plugins, "libraries": plan["libraries"], "rowsmith": plan["rowsmith"]}


def _leaves(value: Any, path: str = "") -> dict[str, Any]:
    """The values of nested mappings by their paths, with points between the keys."""
    if not isinstance(value, Mapping):
        return {path: value}
    return {
        name: leaf
        for key, inner in value.items()
        for name, leaf in _leaves(inner, f"{path}.{key}" if path else str(key)).items()
    }
