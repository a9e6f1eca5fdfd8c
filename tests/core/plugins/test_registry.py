import logging
from importlib.metadata import EntryPoint

import attrs
import pytest

from rowsmith.components import ComponentRef, Kind
from rowsmith.config import RunConfig
from rowsmith.errors import (
    AmbiguousComponent,
    ConfigError,
    DataError,
    MissingDependency,
    PluginContractError,
    PluginLoadError,
    UnknownComponent,
)
from rowsmith.generation import EngineBackend, GenerationFailure
from rowsmith.hookspecs import GROUP
from rowsmith.plugins import Registry
from rowsmith.plugins.records import PluginStatus
from rowsmith.testing.fake_engine import FakeEngine

ECHO = """
    import attrs
    from rowsmith import Component, hookimpl

    @attrs.frozen(kw_only=True)
    class Options:
        rate: float = 0.5
        limit: int | None = None

    class Echo:
        def __init__(self, context, options):
            self.context, self.options = context, options
        def initialize(self): ...
        def prepare_params(self, **kwargs): ...
        def generate(self, data_actions_fn=None): ...
        def teardown(self): ...

    def build(context, options):
        return Echo(context, options)

    @hookimpl
    def rowsmith_backends():
        yield Component(
            name="echo", factory="{module}:build", options="{module}:Options", aliases=("parrot",), summary="Repeats"
        )
"""


def echo(module):
    return {module: ECHO.replace("{module}", module)}


def plugin(body):
    return "from rowsmith import Component, LazyCommand, hookimpl\n\n" + body


def backend(name="other", **arguments):
    given = "".join(f", {key}={value!r}" for key, value in arguments.items())
    return plugin(f"@hookimpl\ndef rowsmith_backends():\n    yield Component(name={name!r}, factory='x.y:z'{given})\n")


@pytest.fixture
def registry(site):
    def make(**arguments):
        return Registry(entry_points=site.entry_points, environ={}, **arguments)

    return make


def statuses(registry):
    return {record.name: record.status.value for record in registry.records}


def test_a_component_is_found_built_and_given_its_options(site, registry):
    site.install("rowsmith-echo", "1.2", {"echo": "echo_plugin"}, echo("echo_plugin"))
    found = registry().resolve(Kind.BACKEND, "echo")
    assert (found.plugin, found.distribution, found.version) == ("echo", "rowsmith-echo", "1.2")
    assert (found.full_name, found.component.summary) == ("echo:echo", "Repeats")
    for name in ("echo", "parrot", "echo:echo", "echo:parrot"):
        built = registry().build(Kind.BACKEND, ComponentRef(name=name, options={"limit": 3}), "context")
        assert (built.context, built.options.limit, built.options.rate) == ("context", 3, 0.5)


def test_options_are_checked_strictly_and_all_at_once(site, registry):
    site.install("rowsmith-echo", "1.2", {"echo": "echo_plugin"}, echo("echo_plugin"))
    ref = ComponentRef(name="echo", options={"rate": "1", "limt": 2})
    with pytest.raises(ConfigError) as caught:
        registry().build(Kind.BACKEND, ref, None)
    assert str(caught.value) == (
        "2 problems in the configuration:\n"
        "  unknown option 'limt', did you mean 'limit'? @ backend.options\n"
        "  expected a number, got text '1'; write the number without quotes @ backend.options.rate"
    )
    with pytest.raises(ConfigError, match=r"@ stopping.options.policies\[0\]"):
        registry().options(Kind.BACKEND, ref, path="stopping.options.policies[0]")


def test_a_component_without_options_refuses_them(site, registry):
    site.install("rowsmith-other", "1", {"other": "other_plugin"}, {"other_plugin": backend()})
    assert registry().options(Kind.BACKEND, "other") is None
    with pytest.raises(ConfigError, match=r"backend 'other' takes no options @ backend.options"):
        registry().options(Kind.BACKEND, ComponentRef(name="other", options={"a": 1}))


def test_a_broken_plugin_disturbs_no_other_and_is_named_when_something_is_missing(site, registry):
    site.install("rowsmith-broken", "9", {"broken": "broken_plugin"}, {"broken_plugin": "import no_such_mod"})
    site.install("rowsmith-echo", "1.2", {"echo": "echo_plugin"}, echo("echo_plugin"))
    made = registry()
    assert statuses(made) == {"broken": "failed", "echo": "active"}
    assert made.build(Kind.BACKEND, "echo", None)
    with pytest.raises(UnknownComponent) as caught:
        made.resolve(Kind.BACKEND, "ecko")
    assert str(caught.value) == (
        "Unknown backend 'ecko'. Did you mean 'echo'?\n"
        "  available: echo\n"
        "  note: plugin 'broken' (rowsmith-broken 9) failed to load: "
        "ModuleNotFoundError: No module named 'no_such_mod'"
    )
    with pytest.raises(UnknownComponent) as caught:
        made.resolve(Kind.STOPPING, "zzz")
    assert str(caught.value).startswith("Unknown stopping policy 'zzz'.\n  available: none\n  note: plugin 'broken'")


FAILING = {
    "raises at import": ("raise KeyError('boom')", "KeyError: 'boom'"),
    "exits at import": ("raise SystemExit(3)", "SystemExit: 3"),
    "raises in the middle": (
        backend() + "    raise ValueError('half way')\n",
        "ValueError: half way",
    ),
    "misspelt hook": (
        plugin("@hookimpl\ndef rowsmith_backend():\n    return []"),
        "unknown hook 'rowsmith_backend', did you mean 'rowsmith_backends'?",
    ),
    "unmarked hook": (
        plugin("def rowsmith_backends():\n    return []"),
        "rowsmith_backends is not marked with @hookimpl",
    ),
    "no component": (
        plugin("@hookimpl\ndef rowsmith_backends():\n    return ['echo']"),
        "rowsmith_backends returned str, not Component",
    ),
    "nothing iterable": (
        plugin("@hookimpl\ndef rowsmith_backends():\n    return None"),
        "rowsmith_backends returned NoneType, not an iterable of Component",
    ),
    "the same name twice": (
        backend() + "    yield Component(name='other', factory='x:y')\n",
        "rowsmith_backends returned the name 'other' twice",
    ),
    "a bad name": (
        backend("Other One"),
        "ValueError: component name 'Other One' must be lower-case words joined by '-', such as 'my-backend'",
    ),
    "a wrapper": (
        plugin("@hookimpl(wrapper=True)\ndef rowsmith_backends():\n    yield"),
        "rowsmith_backends is a wrapper; wrappers are not supported",
    ),
    "no such module": (None, "ModuleNotFoundError: No module named 'failing_plugin'"),
}


@pytest.mark.parametrize("case", FAILING)
def test_whatever_a_plugin_does_wrong_is_recorded_and_the_rest_goes_on(site, registry, case):
    source, reason = FAILING[case]
    site.install("rowsmith-failing", "2.0", {"failing": "failing_plugin"}, {"failing_plugin": source} if source else {})
    site.install("rowsmith-echo", "1.2", {"echo": "echo_plugin"}, echo("echo_plugin"))
    made = registry()
    [failed] = [record for record in made.records if record.name == "failing"]
    assert failed.status is PluginStatus.FAILED
    assert failed.error == reason
    assert list(made.components(Kind.BACKEND)) == ["echo"]


def test_an_unknown_argument_of_a_hook_is_the_plugins_failure(site, registry):
    source = plugin("@hookimpl\ndef rowsmith_backends(extra):\n    return []")
    site.install("rowsmith-failing", "2.0", {"failing": "failing_plugin"}, {"failing_plugin": source})
    assert statuses(registry()) == {"failing": "failed"}


def test_a_failed_plugin_observes_nothing(site, registry):
    source = backend("Bad Name") + "@hookimpl\ndef rowsmith_run_started(run):\n    run.append('failing')\n"
    site.install("rowsmith-failing", "2.0", {"failing": "failing_plugin"}, {"failing_plugin": source})
    heard = []
    registry().notify("rowsmith_run_started", run=heard)
    assert heard == []


def test_strict_mode_raises_for_the_first_failure(site):
    site.install("rowsmith-broken", "9", {"broken": "broken_plugin"}, {"broken_plugin": "import no_such_mod"})
    with pytest.raises(PluginLoadError, match=r"plugin 'broken' \(rowsmith-broken 9\) failed to load") as caught:
        Registry(entry_points=site.entry_points, environ={"ROWSMITH_PLUGINS_STRICT": "1"})
    assert isinstance(caught.value.__cause__, ModuleNotFoundError)


def test_a_plugin_for_another_version_is_left_out(site, registry):
    source = backend() + "\nrowsmith_plugin_api = 99\n"
    site.install("rowsmith-new", "3", {"new": "new_plugin"}, {"new_plugin": source})
    [record] = registry().records
    assert record.note == (
        "plugin 'new' (rowsmith-new 3) is not compatible with this version: it was written for plugin API 99, this is 1"
    )
    assert registry().components(Kind.BACKEND) == {}


TOUCH = "import pathlib\npathlib.Path(__file__).with_suffix('.touched').touch()\n"


@pytest.mark.parametrize("name", ["noisy", "rowsmith-noisy", "Rowsmith_Noisy"])
@pytest.mark.parametrize("way", ["disable", "environment", "allow", "environment allow"])
def test_a_plugin_that_may_not_load_is_not_imported(site, name, way):
    site.install("rowsmith-noisy", "1", {"noisy": "noisy_plugin"}, {"noisy_plugin": TOUCH + backend()})
    site.install("rowsmith-echo", "1.2", {"echo": "echo_plugin"}, echo("echo_plugin"))
    ways = {
        "disable": {"disable": [name]},
        "environment": {"environ": {"ROWSMITH_DISABLE_PLUGINS": f"x, {name}"}},
        "allow": {"only": ["echo"]},
        "environment allow": {"environ": {"ROWSMITH_PLUGINS": "rowsmith-echo"}},
    }
    made = Registry(entry_points=site.entry_points, **{"environ": {}, **ways[way]})
    assert statuses(made) == {"noisy": "disabled", "echo": "active"}
    assert not list(site.path.rglob("*.touched"))
    with pytest.raises(UnknownComponent, match=r"note: plugin 'noisy' \(rowsmith-noisy 1\) is disabled: it is"):
        made.resolve(Kind.BACKEND, "other")


def test_an_argument_wins_over_the_environment(site):
    site.install("rowsmith-echo", "1.2", {"echo": "echo_plugin"}, echo("echo_plugin"))
    made = Registry(entry_points=site.entry_points, only=["echo"], environ={"ROWSMITH_PLUGINS": "other"})
    assert statuses(made) == {"echo": "active"}


def test_two_plugins_with_one_component_name_are_told_apart_by_full_names(site, registry):
    site.install("rowsmith-echo", "1.2", {"echo": "echo_plugin"}, echo("echo_plugin"))
    site.install("rowsmith-dup", "2.0", {"dup": "dup_plugin"}, echo("dup_plugin"))
    made = registry()
    assert [found.full_name for found in made.components(Kind.BACKEND)["echo"]] == ["dup:echo", "echo:echo"]
    with pytest.raises(AmbiguousComponent) as caught:
        made.build(Kind.BACKEND, "echo", None)
    assert str(caught.value) == (
        "backend 'echo' is provided by more than one plugin: 'dup:echo' (rowsmith-dup 2.0), "
        "'echo:echo' (rowsmith-echo 1.2). Write one in full."
    )
    assert made.resolve(Kind.BACKEND, "dup:echo").distribution == "rowsmith-dup"


def test_a_plugin_name_declared_twice_is_a_conflict_and_said_so_when_used(site, registry, caplog):
    site.install("rowsmith-zeta", "1.2", {"echo": "echo_plugin"}, echo("echo_plugin"))
    site.install("rowsmith-alpha", "2.0", {"echo": "alpha_plugin"}, echo("alpha_plugin"))
    made = registry()
    assert [(record.distribution, record.status.value) for record in made.records] == [
        ("rowsmith-alpha", "active"),
        ("rowsmith-zeta", "conflict"),
    ]
    with caplog.at_level(logging.WARNING):
        assert made.resolve(Kind.BACKEND, "echo").distribution == "rowsmith-alpha"
    assert "plugin 'echo' (rowsmith-zeta 1.2) was not loaded: its name is taken by rowsmith-alpha 2.0" in caplog.text


def test_names_of_bundled_plugins_cannot_be_taken(site, registry):
    site.install("a-thief", "1", {"tabular": "thief_plugin"}, {"thief_plugin": TOUCH})
    site.install("rowsmith", "0.1", {"tabular": "own_plugin"}, {"own_plugin": backend()})
    records = registry().records
    assert [(record.distribution, record.status.value) for record in records] == [
        ("rowsmith", "active"),
        ("a-thief", "conflict"),
    ]
    assert not list(site.path.rglob("*.touched"))


def test_an_entry_point_of_no_distribution_is_named_so(registry):
    made = Registry(entry_points=[EntryPoint("lost", "no_such_mod", GROUP)], environ={})
    [record] = made.records
    assert record.note == (
        "plugin 'lost' (of no distribution) failed to load: ModuleNotFoundError: No module named 'no_such_mod'"
    )


def test_what_is_not_installed_is_said_with_the_command(site, registry):
    source = backend(requires=("no_such_engine",), install='pip install "x[engine]"')
    site.install("rowsmith-other", "1", {"other": "other_plugin"}, {"other_plugin": source})
    with pytest.raises(MissingDependency) as caught:
        registry().build(Kind.BACKEND, "other", None)
    assert str(caught.value) == (
        "backend 'other' needs no_such_engine, which is not installed. Install with: pip install \"x[engine]\""
    )


MODULE = """
    import attrs

    @attrs.frozen
    class Options:
        rate: float = 0.5

    class Policy:
        Options = Options
        def __init__(self, context, options):
            self.options = options
        def decide(self, progress): ...

    def nothing(context, options): return None
    def a_class(context, options): return Policy
    def other(context, options): return object()
    def fails(context, options): raise KeyError("boom")
    def refuses(context, options):
        from rowsmith.errors import DataError
        raise DataError("no rows")
"""


@pytest.fixture
def unpackaged(site):
    site.install("stray", "1", {}, {"stray_module": MODULE, "stray_broken": "import no_such_mod"})
    return Registry(entry_points=[], environ={})


def build(registry, factory, **options):
    return registry.build(Kind.STOPPING, ComponentRef(factory=factory, options=options), None)


def test_a_factory_needs_no_distribution(unpackaged):
    assert build(unpackaged, "stray_module:Policy", rate=0.9).options.rate == 0.9
    with pytest.raises(ConfigError, match="expected a number"):
        build(unpackaged, "stray_module:Policy", rate="x")


@pytest.mark.parametrize(
    ("factory", "error", "message"),
    [
        (
            "no_such_mod.deep:x",
            PluginLoadError,
            "stopping policy factory 'no_such_mod.deep:x' names 'no_such_mod.deep:x', "
            "but there is no module 'no_such_mod'.",
        ),
        (
            "stray_broken:x",
            PluginLoadError,
            "stopping policy factory 'stray_broken:x' cannot be imported: stray_broken needs 'no_such_mod'.",
        ),
        (
            "stray_module:absent",
            PluginLoadError,
            "stopping policy factory 'stray_module:absent' names 'stray_module:absent', "
            "but stray_module has no 'absent'.",
        ),
        (
            "stray_module:fails",
            PluginLoadError,
            "stopping policy factory 'stray_module:fails' cannot be built: KeyError: 'boom'",
        ),
        (
            "stray_module:nothing",
            PluginContractError,
            "stopping policy factory 'stray_module:nothing': stray_module:nothing "
            "returned None, not an object of this kind.",
        ),
        (
            "stray_module:a_class",
            PluginContractError,
            "stopping policy factory 'stray_module:a_class': stray_module:a_class returned the class Policy, "
            "not an object of this kind.",
        ),
        (
            "stray_module:other",
            PluginContractError,
            "stopping policy factory 'stray_module:other': stray_module:other returned an object, which lacks decide.",
        ),
        ("stray_module:refuses", DataError, "no rows"),
    ],
)
def test_what_goes_wrong_in_a_factory_is_told_apart(unpackaged, factory, error, message):
    with pytest.raises(error) as caught:
        build(unpackaged, factory)
    assert str(caught.value) == message


def test_a_breach_names_plugin_and_distribution(site, registry):
    source = backend().replace("x.y:z", "odd_plugin:build") + "\ndef build(context, options):\n    return [1]\n"
    site.install("rowsmith-odd", "4", {"odd": "odd_plugin"}, {"odd_plugin": source})
    with pytest.raises(PluginContractError) as caught:
        registry().build(Kind.BACKEND, "other", None)
    assert str(caught.value) == (
        "backend 'other' (plugin 'odd', rowsmith-odd 4): odd_plugin:build returned a list, "
        "which lacks initialize, prepare_params, generate, teardown."
    )


FAULTY = """
    from rowsmith import Component, hookimpl
    from rowsmith.generation import Processor, StoppingPolicy

    class Faulty(Processor, StoppingPolicy):
        def __call__(self, prompt_number, text):
            return {answer}
        def decide(self, progress):
            return {decision}

    def build(context, options):
        return Faulty()

    @hookimpl
    def rowsmith_processors():
        yield Component(name="faulty", factory="faulty_plugin:build")

    @hookimpl
    def rowsmith_stopping_policies():
        yield Component(name="faulty", factory="faulty_plugin:build")
"""
GOOD = "__import__('rowsmith.generation').generation.ParsedResponse([{'a': 1}], [], [])"


@pytest.mark.parametrize(
    ("kind", "answer", "decision", "words"),
    [
        (Kind.PROCESSOR, "1 / 0", "None", "ZeroDivisionError"),
        (Kind.PROCESSOR, "[]", "None", "returned list"),
        (Kind.STOPPING, GOOD, "1 / 0", "ZeroDivisionError"),
        (Kind.STOPPING, GOOD, "'enough'", "answered str"),
    ],
)
def test_what_goes_wrong_in_a_call_names_plugin_and_distribution(site, registry, kind, answer, decision, words):
    source = FAULTY.replace("{answer}", answer).replace("{decision}", decision)
    site.install("rowsmith-faulty", "3.1", {"faulty": "faulty_plugin"}, {"faulty_plugin": source})
    found = registry()
    backend = EngineBackend(
        RunConfig(),
        None,
        engine=FakeEngine(lambda request: "text"),
        processor=found.build(Kind.PROCESSOR, "faulty", None),
        policy=lambda: found.build(Kind.STOPPING, "faulty", None),
        prompt_ids=[1],
        columns=["a"],
    )
    backend.initialize()
    backend.prepare_params()
    with pytest.raises(GenerationFailure) as caught:
        backend.generate()
    assert words in str(caught.value)
    assert f"in {kind.words} 'faulty' (plugin 'faulty', rowsmith-faulty 3.1)" in str(caught.value)


def test_commands_are_listed(site, registry):
    source = plugin(
        "@hookimpl\ndef rowsmith_commands():\n    yield LazyCommand(name='up', target='a.b:c', help='Sends')"
    )
    site.install("rowsmith-up", "4", {"up": "up_plugin"}, {"up_plugin": source})
    [[found]] = registry().commands.values()
    assert (found.command.name, found.plugin, found.distribution) == ("up", "up", "rowsmith-up")


def test_observers_are_told_and_their_errors_go_no_further(site, registry, caplog):
    loud = plugin("@hookimpl\ndef rowsmith_batch_finished(run, batch):\n    raise ValueError('loud')")
    quiet = plugin("@hookimpl\ndef rowsmith_batch_finished(batch):\n    batch.append('heard')")
    site.install("rowsmith-loud", "1", {"loud": "loud_plugin"}, {"loud_plugin": loud})
    site.install("rowsmith-quiet", "1", {"quiet": "quiet_plugin"}, {"quiet_plugin": quiet})
    heard = []
    registry().notify("rowsmith_batch_finished", run=None, batch=heard)
    assert heard == ["heard"]
    assert "plugin 'loud' failed in rowsmith_batch_finished" in caplog.text
    with pytest.raises(ValueError, match="not an observer hook"):
        registry().notify("rowsmith_backends")


def test_registries_are_independent(site):
    site.install("rowsmith-echo", "1.2", {"echo": "echo_plugin"}, echo("echo_plugin"))
    with_echo, empty = Registry(entry_points=site.entry_points, environ={}), Registry(entry_points=[], environ={})
    assert list(with_echo.components(Kind.BACKEND)) == ["echo"]
    assert empty.components(Kind.BACKEND) == {}
    assert attrs.asdict(with_echo.records[0])["status"] == "active"
