"""Factors per direction and the kernel on pairs, on simulated and on Norman's effects."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from gpjepa.data import datasets
from gpjepa.evaluation.baselines import fit_effect_baselines
from gpjepa.evaluation.baselines_strong import (
    direction_factors,
    fit_parts,
    fit_strong,
    leading_directions,
    pair_kernel,
)
from gpjepa.evaluation.effect_table import EffectTable


def test_kernel_is_symmetric_in_the_members_one_on_itself_and_positive_definite():
    rng = np.random.default_rng(0)
    singles = rng.normal(size=(8, 3))
    pairs = np.array(list(combinations(range(8), 2)))
    kernel = pair_kernel(singles, pairs, pairs, 1.3)
    np.testing.assert_allclose(kernel, pair_kernel(singles, pairs[:, ::-1], pairs, 1.3))
    np.testing.assert_allclose(np.diag(kernel), 1.0)
    assert np.linalg.eigvalsh(kernel).min() > -1e-9


def test_kernel_equals_the_sum_over_both_orders():
    rng = np.random.default_rng(1)
    singles = rng.normal(size=(4, 2))

    def gauss(i: int, j: int) -> float:
        return float(np.exp(-((singles[i] - singles[j]) ** 2).sum() / (2 * 0.8**2)))

    raw = gauss(0, 2) * gauss(1, 3) + gauss(0, 3) * gauss(1, 2)
    norm = np.sqrt((1 + gauss(0, 1) ** 2) * (1 + gauss(2, 3) ** 2))
    value = pair_kernel(singles, np.array([[0, 1]]), np.array([[2, 3]]), 0.8)
    assert value[0, 0] == pytest.approx(raw / norm)


def test_factors_follow_strong_directions_and_share_in_weak_ones():
    rng = np.random.default_rng(2)
    sums = rng.normal(size=(200, 2)) * [10.0, 1e-3]
    factors = direction_factors(sums, sums * [0.5, 3.0])
    assert factors[0] == pytest.approx(0.5, abs=1e-3)
    assert factors[1] == pytest.approx(0.5, abs=1e-2)


def test_directions_are_the_leading_ones_and_stop_at_the_rank():
    rng = np.random.default_rng(3)
    effects = rng.normal(size=(10, 2)) @ rng.normal(size=(2, 30))
    basis = leading_directions(effects)
    assert basis.shape == (2, 30)
    np.testing.assert_allclose(effects @ basis.T @ basis, effects, atol=1e-9)


def interacting(rng: np.random.Generator, count: int = 16) -> tuple[EffectTable, np.ndarray]:
    """Doubles whose interaction depends on which of two groups both members come from."""
    side = rng.integers(0, 2, count)
    centres, synergy = rng.normal(size=(2, 40)) * 2, rng.normal(size=40)
    singles = centres[side] + 0.2 * rng.normal(size=(count, 40))
    names = [f"G{index:02d}" for index in range(count)]
    labels, doubles = [], []
    for a, b in combinations(range(count), 2):
        sign = 1.0 if side[a] == side[b] else -1.0
        labels.append(f"{names[a]}+{names[b]}")
        doubles.append(0.8 * (singles[a] + singles[b]) + 2 * sign * synergy)
    table = EffectTable(tuple(names + labels), np.vstack([singles, doubles]))
    return table, rng.permutation(table.pairs.rows)[:60]


def test_interactions_that_depend_on_the_kind_of_members_are_learned():
    table, held = interacting(np.random.default_rng(4))
    labels = [table.labels[row] for row in held]
    errors = {
        baseline.name: np.linalg.norm(baseline.effects(labels) - table.effects[held])
        for baseline in fit_effect_baselines(table.without(held))
    }
    assert errors["strong"] < 0.3 * errors["scaled additive"]


def test_validation_doubles_choose_the_settings_when_there_are_any():
    table, held = interacting(np.random.default_rng(5))
    validation = EffectTable(tuple(table.labels[row] for row in held), table.effects[held])
    strong = fit_strong(table.without(held), validation)
    assert "chosen on 60 validation doubles" in strong.notes[0]
    assert "cross-validation" in fit_strong(table.without(held)).notes[0]


def test_validation_doubles_are_learned_from_once_the_settings_are_chosen():
    table, held = interacting(np.random.default_rng(8))
    few = table.without(held[:50])
    validation = EffectTable(
        tuple(table.labels[row] for row in held[:30]), table.effects[held[:30]]
    )
    labels = [table.labels[row] for row in held[30:50]]
    truth = table.effects[held[30:50]]

    def error(strong):
        return np.linalg.norm(strong.effects(labels) - truth)

    chosen = fit_strong(few, validation)
    alone = fit_parts(few, leading_directions(few.effects), chosen.settings)
    assert error(chosen) < error(alone)
    assert len(chosen.fit.anchors) == len(few.pairs.rows) + 30


def test_without_training_doubles_it_is_the_sum_and_says_that_it_is_not_fitted():
    rng = np.random.default_rng(6)
    effects = rng.normal(size=(4, 30))
    strong = fit_strong(EffectTable(("A", "B", "C", "C+X"), effects))
    assert not strong.fitted
    assert "not fitted" in strong.notes[0]
    np.testing.assert_allclose(strong.effects(["A+B"])[0], effects[0] + effects[1], atol=1e-9)
    np.testing.assert_allclose(strong.effects(["A+X"])[0], (effects[0] + effects[3]) / 2)


def test_few_doubles_keep_the_defaults_and_order_of_members_cannot_matter():
    rng = np.random.default_rng(7)
    effects = rng.normal(size=(7, 30))
    labels = ("A", "B", "C", "D", "A+B", "B+C", "C+D")
    strong = fit_strong(EffectTable(labels, effects))
    assert "only 3 training doubles" in strong.notes[0]
    triple = strong.effects(["A+B+D", "B+D+A"])
    np.testing.assert_allclose(triple[0], triple[1])
    assert np.isfinite(triple).all()


def scores(table: EffectTable, seeds: int) -> dict[str, tuple[float, float]]:
    """Mean distance relative to the sum's and mean Pearson, half of the doubles held out."""
    found: dict[str, list[tuple[float, float]]] = {}
    for seed in range(seeds):
        rows = np.random.default_rng(seed).permutation(table.pairs.rows)
        held = rows[: len(rows) // 2]
        labels, truth = [table.labels[row] for row in held], table.effects[held]
        train = table.without(held)
        scale = np.linalg.norm(train.sums(labels) - truth, axis=1)
        for baseline in fit_effect_baselines(train, seed=seed):
            predicted = baseline.effects(labels)
            ratio = (np.linalg.norm(predicted - truth, axis=1) / scale).mean()
            with np.errstate(invalid="ignore"):
                correlation = [
                    np.corrcoef(*rows)[0, 1] for rows in zip(predicted, truth, strict=True)
                ]
            found.setdefault(baseline.name, []).append((ratio, float(np.mean(correlation))))
    return {name: tuple(np.mean(values, axis=0)) for name, values in found.items()}


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_norman_distances_give_the_known_figures():
    adata = datasets.load("norman-distances")
    labels = ["+".join(sorted(str(name).split("+"))) for name in adata.obs["perturbation"]]
    keep = [index for index, label in enumerate(labels) if label != "control"]
    coordinates = np.asarray(adata.obsm["X_centroid"])[keep, :50]
    figures = scores(EffectTable(tuple(labels[index] for index in keep), coordinates), 3)
    assert figures["additive"] == pytest.approx((1.0, 0.922), abs=0.015)
    assert figures["scaled additive"][0] == pytest.approx(0.796, abs=0.025)
    assert figures["strong"] == pytest.approx((0.66, 0.941), abs=0.025)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_norman_effects_give_the_known_figures_on_gated_genes():
    adata = datasets.load("norman-effects")
    labels = tuple("+".join(sorted(str(n).split("+"))) for n in adata.obs["perturbation"])
    genes = np.asarray(adata.var_names, dtype=object)
    share = datasets.baseline("k562")["relative_expression"].reindex(genes).fillna(0.0)
    targets = {member for label in labels for member in label.split("+")}
    keep = (share.to_numpy() * 1e6 >= 10) & ~np.array([gene in targets for gene in genes])
    assert keep.sum() == 368
    effects = np.asarray(adata.X, dtype=np.float64)[:, keep]
    figures = scores(EffectTable(labels, effects, genes[keep]), 2)
    assert figures["additive"] == pytest.approx((1.0, 0.787), abs=0.02)
    assert figures["scaled additive"][0] == pytest.approx(0.901, abs=0.02)
    assert figures["strong"] == pytest.approx((0.82, 0.815), abs=0.02)
    assert figures["no change"][0] > figures["training mean"][0] > 1.0
