"""The page that shows real and synthetic groups side by side, and the tables of the demo."""

import json
import re

import numpy as np
import pandas as pd
import pytest

from rowsmith.config import load_config
from rowsmith.errors import DataError, MissingDependency
from rowsmith.runs.comparison.series_plot import series_page
from rowsmith.sequences import arrange
from rowsmith.table import from_frame, read_table
from rowsmith_plugins.demonstration.tables import DEMO_MODES, DEMO_TABLES, demo_path

SHOPS = {"data": {"group_training_examples_by": ["shop", "till"], "order_training_examples_by": "day"}}


def shops(name, groups=12):
    frame = pd.DataFrame({"shop": np.repeat([f"{name}{group}" for group in range(groups)], 5), "till": 1})
    days = pd.date_range("2024-01-01", periods=5 * groups)
    frame = frame.assign(day=days, sold=np.arange(len(frame)) % 7, opened=np.repeat(range(groups), 5), note="x")
    return from_frame(frame.sample(frac=1, random_state=0))


def written(page):
    """What follows the library, whose own text names the call too in some versions."""
    return page[page.rindex("Plotly.newPlot") :]


def traces(page):
    return json.loads(re.search(r"Plotly\.newPlot\(\s*\"[^\"]*\",\s*(\[.*?\]),\s*\{\"template\"", page, re.DOTALL)[1])


def test_a_few_groups_of_both_tables_are_drawn():
    pytest.importorskip("plotly")
    page = series_page(shops("real"), shops("new"), load_config(values=SHOPS))
    names = [trace["name"] for trace in traces(page)]
    assert len(names) == len(set(names)) == 10
    assert {name.rstrip("0123456789, ") for name in names} == {"real", "new"}
    assert "sold" in page
    assert "opened" not in page  # it is the same throughout each group
    assert "https://cdn" not in written(page)


def test_each_series_is_a_line_of_its_own_where_a_further_column_numbers_them():
    pytest.importorskip("plotly")
    days = pd.date_range("2024-01-01", periods=30)
    one = pd.DataFrame({"day": days, "sold": np.arange(30) % 7})
    three = pd.concat([one.assign(series=number) for number in (1, 2, 3)], ignore_index=True)
    config = load_config(values={"time_series": {"is_timeseries": True, "timestamp_column": "day"}})
    found = traces(series_page(from_frame(one), from_frame(three), config, "series"))
    assert [trace["name"] for trace in found] == ["", "1", "2", "3"]
    assert len({trace["line"]["color"] for trace in found}) == 4


def test_markup_in_names_and_values_is_text():
    pytest.importorskip("plotly")
    link = '<a href="javascript:alert(1)">x</a><b>'
    frame = pd.DataFrame({link: [link] * 4, f"y{link}": [1, 2, 1, 3], f"t{link}": [1, 2, 3, 4]})
    data = {"group_training_examples_by": link, "order_training_examples_by": f"t{link}"}
    page = series_page(from_frame(frame), from_frame(frame), load_config(values={"data": data}))
    assert "javascript:alert" in written(page)
    assert not re.search(r"<a href=|<b>|\\u003ca href|\\u003cb\\u003e", written(page))


def test_rows_without_an_order_are_drawn_one_after_the_other():
    pytest.importorskip("plotly")
    data = {"group_training_examples_by": "shop"}
    assert len(traces(series_page(shops("real", 2), shops("new", 2), load_config(values={"data": data})))) == 4


def test_a_table_without_numbers_has_nothing_to_draw():
    pytest.importorskip("plotly")
    table = from_frame(pd.DataFrame({"shop": ["a", "a"], "x": ["u", "v"]}))
    with pytest.raises(DataError, match="nothing to draw"):
        series_page(table, table, load_config(values={"data": {"group_training_examples_by": "shop"}}))


def test_a_missing_package_is_named_with_what_installs_it(monkeypatch):
    monkeypatch.setattr("rowsmith.runs.comparison.series_plot.missing_modules", lambda names: names)
    with pytest.raises(MissingDependency, match=re.escape('pip install "rowsmith[demo]"')):
        series_page(shops("real"), shops("new"), load_config(values=SHOPS))


@pytest.mark.parametrize(("mode", "groups", "rows"), [("grouped", 142, 1704), ("time-series", 1, 2284)])
def test_the_demo_tables_are_what_their_settings_say(mode, groups, rows):
    (name,) = DEMO_MODES[mode]
    table = DEMO_TABLES[name]
    pytest.importorskip(table.package)
    config = load_config(values=dict(table.settings))
    arranged = arrange(read_table(demo_path(name), types=config.data.types), config)
    assert (arranged.num_groups, len(arranged.table)) == (groups, rows)
