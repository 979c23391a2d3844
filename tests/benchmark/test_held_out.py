from __future__ import annotations

import numpy as np
import pandas
import pytest

from gpjepa.benchmark import held_out
from gpjepa.data.perturbseq import read

GROUPS = {"A+B": "doubles", "C+D": "doubles", "E": "unseen singles"}
SLOPES = [
    ("slope", "A+B", "gpjepa", 0.4, 0.8),
    ("slope", "C+D", "gpjepa", 0.6, 1.0),
    ("slope", "E", "gpjepa", 0.1, 0.9),
    ("slope", "A+B", "additive", 0.2, 0.8),
    ("slope", "C+D", "additive", 0.4, 1.0),
    ("slope", "A+B", "linear", 0.9, 0.8),
    ("slope", "C+D", "linear", np.nan, 1.0),
    ("slope", "E", "linear", 0.3, 0.9),
    ("slope", "all", "gpjepa", 0.37, 0.9),
    ("slope", "A+B", "gpjepa − additive", 0.2, np.nan),
    ("rank", "A+B", "gpjepa", 0.7, np.nan),
    ("energy_distance", "all", "gpjepa", 0.05, 0.01),
    ("energy_distance", "A+B", "gpjepa", 0.07, 0.02),
    ("energy_distance", "all", "gpjepa − control", -0.3, np.nan),
]


def report_table(rows: list[tuple]) -> pandas.DataFrame:
    names = ["metric", "perturbation", "model", "value", "ceiling"]
    return pandas.DataFrame(rows, columns=names).assign(floor=1.0, n=10)


@pytest.fixture(scope="module")
def scores() -> pandas.DataFrame:
    return held_out.group_scores(report_table(SLOPES), "gpjepa", GROUPS)


def rows(scores: pandas.DataFrame, group: str) -> dict[tuple[str, str], float]:
    own = scores[scores.group == group]
    return {(m, name): v for m, name, v in zip(own.metric, own.model, own.value, strict=True)}


def test_scores_are_means_over_the_perturbations_of_a_group(scores) -> None:
    assert rows(scores, "doubles")["slope", "gpjepa"] == pytest.approx(0.5)
    assert rows(scores, "doubles")["slope", "additive"] == pytest.approx(0.3)
    assert rows(scores, "unseen singles")["slope", "gpjepa"] == pytest.approx(0.1)
    own = scores[(scores.group == "doubles") & (scores.model == "gpjepa")]
    assert own.ceiling.item() == pytest.approx(0.9)


def test_a_baseline_is_shown_only_where_it_applies_to_the_whole_group(scores) -> None:
    assert set(rows(scores, "doubles")) == {("slope", "gpjepa"), ("slope", "additive")}
    assert rows(scores, "unseen singles")["slope", "linear"] == pytest.approx(0.3)


def test_populations_are_averaged_over_all_that_respond_and_differences_left_out(scores) -> None:
    assert rows(scores, "doubles, cells") == {("energy_distance", "gpjepa"): 0.07}
    assert not scores.model.str.contains("−").any()
    assert set(scores.group) == {"doubles", "doubles, cells", "unseen singles"}


@pytest.mark.parametrize("epochs", [0, 1])
def test_what_the_split_held_out_is_assessed_with_or_without_pretraining(
    tiny, monkeypatch, epochs: int
) -> None:
    stages: list[str] = []
    for name in ("pretrain", "fit"):
        method = getattr(held_out.GPJEPA, name)

        def traced(self, *values, _method=method, _name=name):
            stages.append(_name)
            return _method(self, *values)

        monkeypatch.setattr(held_out.GPJEPA, name, traced)
    data = read(tiny.make_cells(), announce=False)
    split = tiny.make_split(data)
    config = tiny.make_config(pretrain={"epochs": epochs})
    found = held_out.train_and_assess(data, split, config, 0, "cpu")
    assert stages == ["pretrain", "fit"]  # without epochs it is where Stage A starts
    assert found.labels == ("C+D",)
    table = held_out.group_scores(found.report.table, found.report.name, {"C+D": "doubles"})
    own = table[(table.group == "doubles") & (table.model == found.report.name)]
    ranks = {"discrimination", "centroid_accuracy"}  # undefined for one perturbation
    shares = {f"l2_over_{name.replace(' ', '_')}" for name in (*held_out.REFERENCES, "better")}
    assert set(own.metric) == (set(held_out.EFFECT) - ranks) | shares
    assert "additive" in set(table[table.group == "doubles"].model)


def distances(group: dict[str, dict[str, float]]) -> pandas.DataFrame:
    rows = [
        ("l2", label, model, value, 0.5)
        for label, scores in group.items()
        for model, value in scores.items()
    ]
    return report_table(rows)


def test_distances_are_shares_of_a_reference_before_they_are_averaged() -> None:
    table = distances(
        {
            "A+B": {"gpjepa": 1.0, "no change": 2.0, "additive": 4.0},
            "C+D": {"gpjepa": 3.0, "no change": 2.0, "additive": 4.0},
        }
    )
    found = held_out.group_scores(table, "gpjepa", GROUPS).set_index(["metric", "model"])
    assert found.value["l2_over_no_change", "gpjepa"] == pytest.approx((0.5 + 1.5) / 2)
    assert found.value["l2_over_additive", "gpjepa"] == pytest.approx((0.25 + 0.75) / 2)
    assert found.ceiling["l2_over_additive", "gpjepa"] == pytest.approx(0.125)
    assert "l2_over_training_mean" not in found.index.get_level_values("metric")


def test_the_better_reference_is_chosen_once_for_the_group() -> None:
    table = distances(
        {
            "A+B": {"gpjepa": 1.0, "no change": 2.0, "training mean": 1.0},
            "C+D": {"gpjepa": 3.0, "no change": 2.0, "training mean": 6.0},
            "E": {"gpjepa": 3.0, "no change": 6.0, "training mean": 2.0},
        }
    )
    found = held_out.group_scores(table, "gpjepa", GROUPS)
    found = found[found.model == "gpjepa"].set_index(["group", "metric"]).value
    assert found["doubles", "l2_over_better"] == found["doubles", "l2_over_no_change"] == 1.0
    assert found["unseen singles", "l2_over_better"] == 1.5


def test_values_behind_a_mean_are_kept_those_of_populations_where_they_respond() -> None:
    rows = [
        ("energy_distance", label, model, value, 0.1)
        for model in ("gpjepa", "control")
        for label, value in (("all", 0.5), ("A+B", 0.4), ("C+D", 0.6), ("E", 9.0))
    ]
    table = report_table([*SLOPES[:2], *rows])
    table["floor"] = np.where(table["perturbation"] == "E", 0.2, 1.0)  # E does not respond
    found = held_out.group_scores(table, "gpjepa", GROUPS).set_index(["group", "model"])
    assert found.each["doubles", "gpjepa"] == {"A+B": 0.4, "C+D": 0.6}
    assert found.each["doubles, cells", "control"] == {"A+B": 0.4, "C+D": 0.6}


def test_a_table_of_several_reports_is_of_all_their_populations() -> None:
    reports = [
        report_table([("energy_distance", label, "gpjepa", value, 0.1)])
        for label, value in (("A+B", 0.2), ("C+D", 0.4))
    ]
    found = held_out.group_scores(pandas.concat(reports), "gpjepa", GROUPS)
    assert found.value.item() == pytest.approx(0.3)
    assert found.n.item() == 2


def test_populations_are_compared_on_the_same_perturbations() -> None:
    rows = [
        ("energy_distance", label, model, value, 0.1)
        for label, scores in {
            "A+B": {"gpjepa": 0.2, "additive": 0.1, "linear": 0.3, "training mean": 0.4},
            "C+D": {"gpjepa": 0.4, "training mean": 0.6},
        }.items()
        for model, value in scores.items()
    ]
    table = report_table(rows)
    shown = held_out.group_scores(table, "gpjepa", GROUPS).set_index("model")
    assert "additive" not in shown.index  # of one of two alone
    assert shown.value["linear"] == pytest.approx((0.3 + 0.6) / 2)  # and its intercept
    assert shown.value["gpjepa"] == pytest.approx(0.3)


def test_the_linear_baseline_is_its_intercept_for_the_odd_gene_without_embedding() -> None:
    named = {
        label: {"gpjepa": 1.0, "training mean": 5.0, "linear": value}
        for label, value in (("A+B", 2.0), ("C+D", 3.0), ("E+F", np.nan))
    }
    groups = dict.fromkeys(named, "doubles")
    found = held_out.group_scores(distances(named), "gpjepa", groups)
    shown = found[found.metric == "l2"].set_index("model").value
    assert shown["linear"] == pytest.approx((2 + 3 + 5) / 3)
    del named["E+F"]["linear"]  # no row at all
    found = held_out.group_scores(distances(named), "gpjepa", groups)
    again = found[found.metric == "l2"].set_index("model").value
    assert again["linear"] == shown["linear"]
    named["C+D"]["linear"] = np.nan
    found = held_out.group_scores(distances(named), "gpjepa", groups)
    assert "linear" not in set(found.model)


def test_listed_labels_are_held_out_and_some_of_the_others_validate(tiny) -> None:
    data = read(tiny.make_cells(), announce=False)
    split = held_out.listed_split(data, ["A+B", "C"], 3)
    assert set(split.test) == {"A+B", "C"}
    assert split.validation
    assert {*split.train, *split.validation, *split.test} == set(data.perturbations)
    assert split == held_out.listed_split(data, ["A+B", "C"], 3)


def test_what_the_linear_baseline_lacks_is_the_training_mean() -> None:
    given = {"linear": np.array([[1.0], [np.nan]]), "training mean": np.array([[3.0], [4.0]])}
    found = held_out.with_intercept(given)
    assert found["linear"].tolist() == [[1.0], [4.0]]
    assert np.isnan(given["linear"][1, 0])  # what was given stays
    assert held_out.with_intercept({"gpjepa": given["linear"]}).keys() == {"gpjepa"}
