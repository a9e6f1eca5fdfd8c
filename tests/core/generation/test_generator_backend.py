"""Promises of the backend contract: a subclass written from its page alone works."""

import inspect

import pandas as pd
import pytest

from rowsmith.generation import GenerateJobResults, GenerationStatus, GeneratorBackend

METHODS = ("initialize", "prepare_params", "generate", "teardown")


class Handwritten(GeneratorBackend):
    def initialize(self) -> None:
        self.gen_method = lambda prompts: prompts

    def prepare_params(self, **kwargs) -> None:
        self.params = kwargs

    def generate(self, data_actions_fn=None) -> GenerateJobResults:
        frame = pd.DataFrame({"a": [1]})
        self.gen_results = GenerateJobResults(frame, GenerationStatus.COMPLETE, 1, 0, 1, 1.0, [1.0])
        self.elapsed_time = 0.5
        return self.gen_results

    def teardown(self) -> None:
        if getattr(self, "_torn_down", False):
            return
        self._torn_down = True


def test_exactly_four_methods_are_abstract():
    """Promise B1."""
    assert GeneratorBackend.__abstractmethods__ == set(METHODS)


@pytest.mark.parametrize("missing", METHODS)
def test_a_subclass_without_one_of_them_cannot_be_made(missing):
    """Promise B2."""
    body = {name: getattr(Handwritten, name) for name in METHODS if name != missing}
    with pytest.raises(TypeError, match=missing):
        type("Partial", (GeneratorBackend,), body)()


def test_signatures():
    """Promise B3."""
    assert list(inspect.signature(GeneratorBackend.initialize).parameters) == ["self"]
    (_, kwargs) = inspect.signature(GeneratorBackend.prepare_params).parameters.values()
    assert (kwargs.name, kwargs.kind) == ("kwargs", kwargs.VAR_KEYWORD)
    (_, actions) = inspect.signature(GeneratorBackend.generate).parameters.values()
    assert (actions.name, actions.default) == ("data_actions_fn", None)
    assert list(inspect.signature(GeneratorBackend.teardown).parameters) == ["self"]


def test_attributes():
    """Promise B4: these are the attributes, and ``gen_method`` is None until there is one."""
    names = {"gen_method", "gen_results", "config", "model_metadata", "remote", "elapsed_time", "workdir"}
    assert names <= set(GeneratorBackend.__annotations__)
    assert GeneratorBackend.gen_method is None


def test_no_constructor_is_required():
    assert GeneratorBackend.__init__ is object.__init__


def test_a_subclass_written_from_the_page_alone_works():
    """Promise B5."""
    backend = Handwritten()
    try:
        backend.initialize()
        backend.prepare_params(temperature=0.5)
        assert backend.generate() is backend.gen_results
        assert backend.generate(lambda rows: rows).status is GenerationStatus.COMPLETE
    finally:
        backend.teardown()
        backend.teardown()
