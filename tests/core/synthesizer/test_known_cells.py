"""Rows of which some cells are known: imputed, scored and classified by a real model."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from rowsmith import Synthesizer
from rowsmith.cli.root import cli
from rowsmith.errors import DataError, ParameterError

pytest.importorskip("torch")

VALUES = {"pet": ["cat", "dog"], "loud": [False, True], "legs": [3, 4], "size": ["big", "small"]}


def _table(rows: int = 900) -> pd.DataFrame:
    random = np.random.default_rng(0)
    pet = random.choice(["cat", "dog"], rows, p=[0.4, 0.6])
    size = np.where((pet == "dog") & (random.random(rows) < 0.8), "big", "small")
    return pd.DataFrame(
        {
            "pet": pet,
            "loud": (pet == "dog") ^ (random.random(rows) < 0.1),
            "legs": random.choice([3, 4], rows, p=[0.1, 0.9]),
            "size": size,
        }
    )


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Synthesizer:
    options = {"width": 32, "layers": 1, "dtype": "float32"}
    settings: dict[str, Any] = {"training": {"max_steps": 120}, "model": {"name": "scratch", "options": options}}
    return Synthesizer(run_directory=tmp_path_factory.mktemp("known") / "run", **settings).fit(_table())


def _all_rows() -> pd.DataFrame:
    return pd.DataFrame(list(itertools.product(*VALUES.values())), columns=list(VALUES))


def test_the_probabilities_of_all_rows_add_up_to_one(fitted: Synthesizer) -> None:
    assert np.exp(fitted.log_prob(_all_rows())).sum() == pytest.approx(1, abs=1e-4)


def test_cells_that_are_not_given_are_summed_over(fitted: Synthesizer) -> None:
    rows = _all_rows()
    exact = np.exp(fitted.log_prob(rows)).groupby(rows["size"]).sum()
    part = pd.DataFrame({"size": ["big", "small"]})
    found = np.exp(fitted.log_prob(pd.concat([part] * 40, ignore_index=True))).to_numpy().reshape(40, 2).mean(axis=0)
    assert found == pytest.approx(exact[["big", "small"]].to_numpy(), abs=0.03)


def test_class_probabilities_are_those_of_the_whole_rows(fitted: Synthesizer) -> None:
    rows = _all_rows()
    joint = np.exp(fitted.log_prob(rows))
    found = fitted.predict_proba(rows.drop(columns="pet"), "pet")
    assert found.sum(axis=1).to_numpy() == pytest.approx(1)
    rest = ["loud", "legs", "size"]
    share = joint / joint.groupby([rows[name] for name in rest]).transform("sum")
    expected = pd.Series(share.to_numpy(), index=pd.MultiIndex.from_frame(rows[["pet", *rest]]))
    for index, row in rows.iterrows():
        assert found.loc[index, "dog"] == pytest.approx(expected[("dog", *row[rest])], abs=1e-4)


def test_imputed_cells_follow_the_known_ones_which_stay(fitted: Synthesizer) -> None:
    rows = _table(400)
    holes = rows.astype(object)
    holes.loc[::2, "pet"] = None
    holes.loc[::4, "size"] = None
    filled = fitted.impute(holes)
    assert not filled.isna().any().any()
    assert filled.dtypes.to_dict() == rows.dtypes.to_dict()
    for name, known in holes.notna().items():
        assert (filled[name][known] == rows[name][known]).all()
    unknown = holes["pet"].isna()
    assert (filled["pet"][unknown] == rows["pet"][unknown]).mean() > 0.75  # 0.52 without looking at the other cells
    pd.testing.assert_frame_equal(filled, fitted.impute(holes))
    assert not filled.equals(fitted.impute(holes, seed=7))


def test_only_the_named_columns_are_filled(fitted: Synthesizer) -> None:
    holes = _table(60).astype(object)
    holes.loc[::2, "pet"] = None
    holes.loc[::3, "size"] = None
    filled = fitted.impute(holes, columns=["pet"])
    assert filled["pet"].notna().all()
    assert (filled["size"].isna() == holes["size"].isna()).all()


def test_columns_that_are_missing_are_filled_whole(fitted: Synthesizer) -> None:
    filled = fitted.impute(pd.DataFrame({"size": ["big"] * 80}, index=range(10, 90)))
    assert list(filled.columns) == list(VALUES)
    assert filled.index.tolist() == list(range(10, 90))
    assert (filled["pet"] == "dog").mean() > 0.8


def test_what_cannot_be_done_is_said(fitted: Synthesizer) -> None:
    rows = _table(5)
    with pytest.raises(ParameterError, match="no column 'pets', did you mean 'pet'"):
        fitted.impute(rows, columns=["pets"])
    with pytest.raises(ParameterError, match="no column 'siz', did you mean 'size'"):
        fitted.predict_proba(rows, "siz")
    with pytest.raises(DataError, match="none of the columns"):
        fitted.log_prob(pd.DataFrame({"other": [1]}))


def test_a_label_that_the_model_does_not_have_is_reported(fitted: Synthesizer, tmp_path: Path) -> None:
    fitted.save(tmp_path / "model")
    rows = _table(20)
    rows.loc[:2, "pet"] = "owl"
    rows.to_csv(tmp_path / "rows.csv", index=False)
    command = ["score", str(tmp_path / "rows.csv"), "--run-dir", str(tmp_path / "model"), "-o", str(tmp_path / "s.csv")]
    done = CliRunner().invoke(cli, command)
    assert done.exit_code == 0, done.output
    assert "column 'pet': 3 of 20 rows have a label that the model does not have" in done.output


def test_the_command_line_fills_and_scores(fitted: Synthesizer, tmp_path: Path) -> None:
    fitted.save(tmp_path / "model")
    holes = _table(30).astype(object)
    holes.loc[::2, "size"] = None
    holes.to_csv(tmp_path / "holes.csv", index=False)
    common = ["--run-dir", str(tmp_path / "model"), "-o", str(tmp_path / "out.csv")]
    done = CliRunner().invoke(cli, ["impute", str(tmp_path / "holes.csv"), *common])
    assert done.exit_code == 0, done.output
    filled = pd.read_csv(tmp_path / "out.csv")
    assert filled["size"].isin(["big", "small"]).all()
    assert (filled["pet"] == holes["pet"]).all()
    refused = CliRunner().invoke(cli, ["score", str(tmp_path / "holes.csv"), *common])
    assert refused.exit_code == 2
    done = CliRunner().invoke(cli, ["score", str(tmp_path / "holes.csv"), *common, "--force"])
    assert done.exit_code == 0, done.output
    assert (pd.read_csv(tmp_path / "out.csv")["log_prob"] < 0).all()
    assert "bits a row" in done.output
