import pytest

from rowsmith.config.requirements import check_requirement, unmet_requirements
from rowsmith.errors import PluginError
from rowsmith.plugins import Registry


@pytest.mark.parametrize("requirement", ["pluggy", "pluggy>=1", "pluggy >= 1.0, <99", "Pluggy!=0.1", "pluggy>=1.0.0"])
def test_what_is_installed_is_met(requirement):
    check_requirement(requirement)
    assert unmet_requirements([requirement]) == ()


def test_what_is_not_met_says_what_to_do():
    assert unmet_requirements(["rowsmith-nowhere>=1", "pluggy>=99"]) == (
        "rowsmith-nowhere is not installed. Install with: pip install 'rowsmith-nowhere>=1'",
        f"pluggy {__import__('pluggy').__version__} is installed, but the run needs 'pluggy>=99'",
    )
    with pytest.raises(PluginError) as caught:
        Registry(entry_points=[]).require(["rowsmith-nowhere"])
    assert str(caught.value) == (
        "The run needs plugins that are not installed:\n"
        "  rowsmith-nowhere is not installed. Install with: pip install 'rowsmith-nowhere'"
    )


@pytest.mark.parametrize("requirement", ["", " ", "a b", ">=1", "a>=", "a>=x", "a;b", "git+https://x", "a" * 300])
def test_what_is_no_requirement_is_refused(requirement):
    with pytest.raises(ValueError, match="expected a requirement such as"):
        check_requirement(requirement)
