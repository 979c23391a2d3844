from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from gpjepa.benchmark import effect_tables
from gpjepa.data.labels import members_of
from gpjepa.evaluation.effect_table import EffectTable

NAMES = ("AHR", "CBL", "CEBPA", "ETS2", "FOXA1", "KLF1", "MAPK1", "SET", "SPI1", "TBX2", "TBX3")


@pytest.fixture(scope="module")
def table() -> EffectTable:
    """Doubles that are exactly .7 times the sum of their singles."""
    rng = np.random.default_rng(0)
    singles = {name: rng.normal(size=30) for name in NAMES}
    pairs = [f"{a}+{b}" for a, b in combinations(NAMES, 2)][::2]
    effects = [*singles.values()]
    effects += [0.7 * sum(singles[member] for member in members_of(pair)) for pair in pairs]
    return EffectTable((*NAMES, *pairs), np.array(effects))


def values(frame, group: str, metric: str) -> dict[str, float]:
    rows = frame[(frame.group == group) & (frame.metric == metric)]
    return dict(zip(rows.model, rows.value, strict=True))


@pytest.mark.usefixtures("once_without_model")
def test_what_scales_the_sum_is_found_by_those_that_scale_and_bounds_come_from_the_truth(
    table: EffectTable,
) -> None:
    frame = effect_tables.held_out_doubles(table, 0, None)
    share = values(frame, "doubles", "l2_over_additive")
    assert share["additive"] == 1.0
    assert share["scaled additive"] == pytest.approx(0.0, abs=1e-9)
    assert share["oracle: best c1, c2"] == pytest.approx(0.0, abs=1e-9)
    assert share["no change"] == pytest.approx(0.7 / 0.3)


def test_half_of_the_doubles_are_held_out_and_another_seed_draws_others(
    table: EffectTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = []

    def score(table, trained, groups, seed, columns):
        drawn.append((set(trained), set(groups["doubles"])))

    monkeypatch.setattr(effect_tables, "_score", score)
    for seed in (0, 0, 1):
        effect_tables.held_out_doubles(table, seed, None)
    doubles = {label for label in table.labels if "+" in label}
    for trained, test in drawn:
        assert trained | test == set(table.labels)
        assert not trained & test
        assert abs(len(test) - len(doubles) / 2) <= 0.5
    assert drawn[0] == drawn[1] != drawn[2]


def test_a_held_out_gene_is_in_no_training_row_and_groups_say_how_many_are_unseen(
    table: EffectTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = {}
    monkeypatch.setattr(
        effect_tables,
        "_score",
        lambda table, trained, groups, *rest: asked.update(t=trained, g=groups),
    )
    effect_tables.held_out_genes(table, 0, None)
    seen = {gene for label in asked["t"] for gene in members_of(label)}
    held = set(asked["g"]["unseen genes"])
    assert not held & seen
    for label in asked["g"]["doubles, one gene unseen"]:
        assert len(held & set(members_of(label))) == 1
    for label in asked["g"].get("doubles, both genes unseen", ()):
        assert set(members_of(label)) <= held


@pytest.mark.usefixtures("once_without_model")
def test_the_sum_does_not_apply_to_genes_never_perturbed(table: EffectTable) -> None:
    frame = effect_tables.held_out_genes(table, 0, None)
    shown = values(frame, "unseen genes", "l2_over_training_mean")
    assert shown["training mean"] == 1.0
    assert {"additive", "scaled additive"}.isdisjoint(shown)
    assert "linear" in shown


@pytest.mark.usefixtures("once_without_model")
def test_unseen_genes_stand_beside_the_mean_of_the_training_singles_too(
    table: EffectTable,
) -> None:
    group = "unseen genes, against the singles' mean"
    frame = effect_tables.held_out_genes(table, 0, None)
    shown = values(frame, group, "l2_over_training_mean")
    assert shown["training mean"] == 1.0
    # the doubles are 1.4 singles on average, so the mean of all rows is another one
    own = values(frame, "unseen genes", "l2")["training mean"]
    assert values(frame, group, "l2")["training mean"] != pytest.approx(own, rel=1e-6)
    assert values(frame, group, "pearson_perturbed")["training mean"] == 0.0


@pytest.mark.usefixtures("once_without_model")
def test_only_the_chosen_columns_are_scored(table: EffectTable) -> None:
    spoiled = table.effects.copy()
    spoiled[:, 20:] = np.random.default_rng(1).normal(size=(len(table.labels), 10)) * 9
    other = EffectTable(table.labels, spoiled)
    few = effect_tables.held_out_doubles(other, 0, np.arange(20))
    everything = effect_tables.held_out_doubles(other, 0, None)
    best = [
        values(f, "doubles", "l2_over_additive")["oracle: best c1, c2"] for f in (few, everything)
    ]
    assert best[0] == pytest.approx(0.0, abs=1e-9)
    assert best[1] > 0.1


def test_a_gene_in_no_set_gets_a_row_that_says_nothing() -> None:
    table = EffectTable(("KLF1", "NOSUCHGENE", "SET"), np.eye(3))
    found = effect_tables.known_features(table, effect_tables.select(table, ["KLF1", "SET"]))
    assert found.names == ("KLF1", "NOSUCHGENE", "SET")
    size = np.abs(found.values).sum(axis=1)
    assert size[1] == 0 < min(size[0], size[2])


def test_the_model_refuses_a_gene_of_which_nothing_is_known_and_the_mean_stands_in(
    table: EffectTable,
) -> None:
    singles = effect_tables.select(table, NAMES)
    model = effect_tables.compose(singles, 0)
    found = model.effects(["NOSUCHGENE", "AHR+NOSUCHGENE", "AHR"])
    mean = singles.effects.mean(axis=0)
    np.testing.assert_array_equal(found[:2], [mean, mean])
    assert np.abs(found[2] - mean).max() > 0.01
    assert model.name == "gpjepa"
