"""The demos of groups and series from end to end, with hardly any training."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from rowsmith_plugins.demonstration.tables import DEMO_MODES, DEMO_TABLES

pytest.importorskip("torch")
pytest.importorskip("plotly")

pytestmark = pytest.mark.slow

SMALL = ["training.max_steps=4", "model.options.width=32", "model.options.layers=1", "model.options.dtype=float32"]


@pytest.mark.parametrize(
    ("mode", "settings", "order"),
    [("grouped", [], "year"), ("time-series", ["time_series.stop_timestamp=19590101"], "date")],
)
def test_a_demo_writes_groups_in_order_and_draws_them(
    mode: str, settings: list[str], order: str, tmp_path: Path
) -> None:
    from rowsmith.cli.root import cli

    (name,) = DEMO_MODES[mode]
    pytest.importorskip(DEMO_TABLES[name].package)
    options = [part for setting in (*SMALL, *settings) for part in ("--set", setting)]
    result = CliRunner().invoke(cli, ["demo", "--mode", mode, "-g", "2", "--run-dir", str(tmp_path / "run"), *options])
    assert result.exit_code == 0, result.stderr
    assert "2 groups, " in result.stderr
    assert f"side by side: {tmp_path / 'run' / 'series.html'}" in result.stderr
    assert "Plotly.newPlot" in (tmp_path / "run" / "series.html").read_text(encoding="utf-8")
    (table,) = (tmp_path / "run").glob("synthetic.csv*")
    rows = pd.read_csv(table)
    # Order begins anew once, with the second group.
    assert (rows[order].diff() < 0).sum() <= 1
