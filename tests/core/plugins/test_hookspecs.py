import inspect
import json

import pytest

from rowsmith import hookspecs
from rowsmith.components import Kind

HOOKS = {
    name: function
    for name, function in vars(hookspecs).items()
    if name.startswith("rowsmith_") and hasattr(function, "rowsmith_spec")
}


def test_the_signatures_of_all_hooks_are_what_plugins_were_written_for(golden):
    signatures = {name: str(inspect.signature(function)) for name, function in sorted(HOOKS.items())}
    dump = {"plugin_api": hookspecs.PLUGIN_API, "hooks": signatures}
    golden("hookspecs.json", json.dumps(dump, indent=2) + "\n")


def test_every_kind_has_its_hook_and_every_hook_its_use():
    assert {kind.hook for kind in Kind} | {"rowsmith_commands", *hookspecs.OBSERVERS} == set(HOOKS)


@pytest.mark.parametrize("name", HOOKS)
def test_the_example_of_each_hook_runs(name):
    documentation = inspect.getdoc(HOOKS[name])
    example = inspect.cleandoc(documentation.split("Example::")[1].split("Args:")[0])
    scope = {}
    exec(example, scope)
    assert scope[name].rowsmith_impl
    if name not in hookspecs.OBSERVERS:
        assert list(scope[name]())
        assert not inspect.signature(scope[name]).parameters
    else:
        known = inspect.signature(HOOKS[name]).parameters
        assert set(inspect.signature(scope[name]).parameters) <= set(known)
