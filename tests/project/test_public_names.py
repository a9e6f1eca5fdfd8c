import tomllib

import pytest

import rowsmith
from rowsmith import errors


@pytest.mark.parametrize("name", rowsmith.__all__)
def test_every_public_name_is_there(name):
    assert getattr(rowsmith, name) is not None


def test_every_error_is_public_and_has_an_exit_code():
    raised = {name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, Exception)}
    assert raised <= set(rowsmith.__all__)
    assert {getattr(errors, name).exit_code for name in raised} <= {2, 3, 4}


def test_names_are_listed_and_others_do_not_exist():
    assert set(rowsmith.__all__) <= set(dir(rowsmith))
    with pytest.raises(AttributeError, match="module 'rowsmith' has no attribute 'nothing'"):
        _ = rowsmith.nothing


def test_each_root_says_that_it_is_typed(root):
    project = tomllib.loads((root / "pyproject.toml").read_text())
    packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert len(packages) == 4
    assert all((root / package / "py.typed").exists() for package in packages)
