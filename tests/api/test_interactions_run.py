from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pandas
import pytest

from gpjepa.api.interactions_run import all_pairs, interactions_file
from gpjepa.api.model import GPJEPA
from gpjepa.cli.main import run as command
from gpjepa.core.errors import ConfigError, OutputExistsError, VocabularyError


@pytest.fixture(scope="module")
def ranked(run, options, tmp_path_factory) -> tuple[dict, pandas.DataFrame]:
    """Return what the run's pairs are told as, and the file of them."""
    out = tmp_path_factory.mktemp("gi") / "gi.csv"
    told = interactions_file(run, out, [], 0.9, None, options)
    return told, pandas.read_csv(out, keep_default_na=False)


def test_every_pair_of_trained_members_is_ranked_measured_or_not(ranked) -> None:
    told, table = ranked
    pairs = {f"{a}+{b}" for a in "ABCDF" for b in "ABCDF" if a < b}
    assert set(table.perturbation) == {row["perturbation"] for row in told["combinations"]} == pairs
    measured = set(table[table.measured.astype(str) == "True"].perturbation)
    assert measured == {"A+B", "A+C", "A+D", "B+C", "B+D", "C+D"}
    assert (told["pairs"], told["written"], told["genes"]) == (10, 10, 19)


def test_the_file_says_what_the_model_says(run, ranked) -> None:
    table = ranked[1]
    own = table[table.perturbation == "C+D"].set_index("gene")
    expected = GPJEPA.load(run, "cpu").interactions("C+D").set_index("gene").loc[own.index]
    for column in ("interaction", "low", "high", "effect", "additive"):
        assert own[column].to_numpy() == pytest.approx(expected[column].to_numpy(), abs=1e-5)
    assert own["class"].unique().tolist() == expected["class"].unique().tolist()


def test_top_keeps_the_first_and_genes_those_that_interact_most(
    run, options, tmp_path, ranked
) -> None:
    told = interactions_file(run, tmp_path / "gi.csv", [], 0.9, 3, options, genes=4)
    assert told["combinations"] == ranked[0]["combinations"][:3]
    assert (told["genes"], told["genes_written"]) == (19, 4)
    few = pandas.read_csv(tmp_path / "gi.csv", keep_default_na=False)
    whole = ranked[1]
    expected = pandas.concat([whole[whole["rank"] == rank].iloc[:4] for rank in (1, 2, 3)])
    pandas.testing.assert_frame_equal(few, expected.reset_index(drop=True))


def test_the_list_of_pairs_lies_beside_the_genes(run, options, tmp_path) -> None:
    told = interactions_file(run, tmp_path / "gi.csv", [], 0.9, None, options)
    assert told["pairs_out"] == str(tmp_path / "gi.pairs.csv")
    pairs = pandas.read_csv(told["pairs_out"], keep_default_na=False)
    assert pairs.perturbation.tolist() == [row["perturbation"] for row in told["combinations"]]
    assert list(pairs) == list(told["combinations"][0])
    assert set(pairs.not_measured_alone) == {""}


def test_named_combinations_may_have_any_size(run, options, tmp_path) -> None:
    told = interactions_file(run, tmp_path / "gi.csv", ["B+A", "A+C+F"], 0.9, None, options)
    by_label = {row["perturbation"]: row for row in told["combinations"]}
    assert set(by_label) == {"A+B", "A+C+F"}
    assert (by_label["A+C+F"]["measured"], by_label["A+C+F"]["class"]) == (False, "")


def test_without_a_split_it_is_not_known_what_was_measured(saved, options, tmp_path) -> None:
    told = interactions_file(saved, tmp_path / "gi.csv", ["A+B"], 0.9, None, options)
    assert told["combinations"][0]["measured"] is None
    assert pandas.read_csv(tmp_path / "gi.csv").measured.isna().all()


def test_a_refused_call_writes_nothing_and_an_existing_file_stays(
    run, options, tmp_path: Path
) -> None:
    out = tmp_path / "gi.csv"
    for labels, level, top, error in (
        (["A"], 0.9, None, VocabularyError),
        (["A+QQ"], 0.9, None, VocabularyError),
        ([], 1.5, None, ConfigError),
        ([], 0.9, 0, ConfigError),
        (["A+A"], 0.9, None, VocabularyError),
        ([""], 0.9, None, VocabularyError),
    ):
        with pytest.raises(error):
            interactions_file(run, out, labels, level, top, options)
        assert list(tmp_path.iterdir()) == []
    with pytest.raises(ConfigError, match="genes is 0"):
        interactions_file(run, out, ["A+B"], 0.9, None, options, genes=0)
    (tmp_path / "gi.pairs.csv").write_text("mine")
    with pytest.raises(OutputExistsError):
        interactions_file(run, out, ["A+B"], 0.9, None, options)
    out.write_text("mine")
    with pytest.raises(OutputExistsError):
        interactions_file(run, out, ["A+B"], 0.9, None, options)
    assert out.read_text() == "mine"
    interactions_file(run, out, ["A+B"], 0.9, None, replace(options, force=True))
    assert out.read_text().startswith("perturbation,gene,interaction,low,high,class,measured,rank")


def test_the_command_ranks_a_run_and_refuses_a_single(run, tmp_path, capsys) -> None:
    out = tmp_path / "gi.csv"
    call = ["interactions", str(run), "--device", "cpu", "--json", "--out", str(out)]
    assert command([*call, "--top", "2"]) == 0
    told = json.loads(capsys.readouterr().out)
    table = pandas.read_csv(out)
    assert [row["perturbation"] for row in told["combinations"]] == list(
        table.perturbation.unique()
    )
    assert len(table) == 2 * told["genes"]
    assert command([*call, "--top", "2"]) == 2
    assert "exists already" in json.loads(capsys.readouterr().out)["error"]["message"]
    assert command([*call, "--force", "-p", "A"]) == 4
    assert "'A' is no combination" in json.loads(capsys.readouterr().out)["error"]["message"]


def test_one_trained_member_makes_no_pair(model) -> None:
    lone = copy_with_one_member(model)
    with pytest.raises(VocabularyError, match="has 1 perturbation.*expected two or more"):
        all_pairs(lone)


def copy_with_one_member(model: GPJEPA) -> GPJEPA:
    vocabulary = replace(model.bundle.vocabulary, measured=1)
    return GPJEPA._restored(replace(model.bundle, vocabulary=vocabulary), model.controls, None)
