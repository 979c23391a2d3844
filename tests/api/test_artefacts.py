from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas
import pytest

from gpjepa.api.artefacts import (
    effect_rows,
    histogram_rows,
    population_rows,
    responder_rows,
    spread_rows,
)
from gpjepa.api.model import GPJEPA
from gpjepa.data.labels import CONTROL
from gpjepa.evaluation.pseudobulk import standard_error


def level(data, label: str, target: float, rows=None) -> np.ndarray:
    part = data.subset(np.flatnonzero(data.labels == label) if rows is None else rows)
    counts = np.asarray(part.counts.sum(axis=0), float).ravel()
    return np.log1p(target * counts / part.library.sum())


def _cells_of(data, label: str):
    part = data.subset(data.labels == label)
    return part.counts, part.library


@pytest.fixture(scope="module")
def fitted(run: Path) -> GPJEPA:
    return GPJEPA.load(run, "cpu")


@pytest.fixture(scope="module")
def effects(assessed) -> pandas.DataFrame:
    return effect_rows(assessed)


def test_observed_effects_are_held_out_cells_against_the_truth_half(assessed, effects) -> None:
    panel, parts, target = assessed.panel, assessed.parts, assessed.target
    held = panel.subset(parts.test)
    expected = level(held, "C+D", target) - level(panel, CONTROL, target, parts.truth_controls)
    own = effects[effects.perturbation == "C+D"]
    assert np.allclose(own.observed, expected[assessed.gated])
    assert own.gene.tolist() == panel.genes[assessed.gated].tolist()
    counts, library = _cells_of(held, "C+D")
    sampling = standard_error(counts, library, target)
    count = target / library.sum() / np.exp(level(held, "C+D", target))
    assert np.allclose(own.observed_se, np.sqrt(sampling**2 + count**2)[assessed.gated])


def test_a_gene_unseen_in_a_perturbation_is_known_to_one_count_only(assessed) -> None:
    panel, target = assessed.panel, assessed.target
    gene = int(np.flatnonzero(assessed.gated)[0])
    own = panel.labels == "C+D"
    counts = panel.counts.tolil(copy=True)
    counts[np.flatnonzero(own), gene] = 0
    unseen = replace(assessed, panel=replace(panel, counts=counts.tocsr()))
    rows = effect_rows(unseen)
    row = rows[(rows.perturbation == "C+D") & (rows.gene == panel.genes[gene])]
    held = np.isin(np.arange(panel.n_cells), assessed.parts.test) & own
    assert row.observed_se.item() == pytest.approx(target / panel.library[held].sum())
    assert (rows.observed_se > 0).all()


def test_additive_and_mean_effects_come_from_training_cells(assessed, effects) -> None:
    panel, parts, target = assessed.panel, assessed.parts, assessed.target
    train = panel.subset(np.concatenate((parts.train, parts.train_controls)))
    start = level(train, CONTROL, target)
    single = {x: level(train, x, target) - start for x in train.perturbations}
    own = effects[effects.perturbation == "C+D"]
    assert np.allclose(own.additive, (single["C"] + single["D"])[assessed.gated])
    assert np.allclose(own.training_mean, np.mean(list(single.values()), axis=0)[assessed.gated])


def test_predictions_and_intervals_are_those_of_the_model(assessed, effects) -> None:
    told = assessed.effects[assessed.effects.perturbation == "B+D"]
    own = effects[effects.perturbation == "B+D"]
    for column, name in (("predicted", "effect"), ("low", "low"), ("high", "high")):
        assert np.array_equal(own[column], told[name].to_numpy()[assessed.gated])
    assert set(effects.group) == {"combo_seen2"}


def test_populations_have_the_moments_of_raw_counts(assessed) -> None:
    rows = population_rows(assessed)
    own = rows[rows.perturbation == "B+D"]
    adata = assessed.predicted
    counts = adata.X[np.asarray(adata.obs["perturbation"] == "B+D")].toarray()[:, assessed.gated]
    assert np.allclose(own.predicted_mean, counts.mean(axis=0))
    assert np.allclose(own.predicted_variance, counts.var(axis=0, ddof=1))
    assert np.allclose(own.predicted_zero, (counts == 0).mean(axis=0))
    control = assessed.panel.counts[assessed.parts.train_controls].toarray()[:, assessed.gated]
    assert np.allclose(own.control_mean, control.mean(axis=0))
    assert np.allclose(own.control_zero, (control == 0).mean(axis=0))


def test_histograms_are_of_the_four_genes_that_change_most_and_sum_to_one(
    assessed, effects
) -> None:
    rows = histogram_rows(assessed)
    sums = rows.groupby(["perturbation", "gene", "kind"])["fraction"].sum()
    assert np.allclose(sums, 1.0)
    assert set(rows.kind) == {"control", "observed", "predicted"}
    own = effects[effects.perturbation == "C+D"]
    top = own.loc[own.observed.abs().sort_values(ascending=False).index[:4], "gene"]
    assert set(rows[rows.perturbation == "C+D"].gene) == set(top)


def test_latent_points_show_controls_observed_and_predicted_cells(evaluated) -> None:
    points = pandas.read_csv(evaluated / "latent.csv")
    assert list(points.columns) == ["x", "y", "kind", "perturbation"]
    assert set(points.kind) == {"control", "observed", "predicted"}
    assert set(points[points.kind == "control"].perturbation) == {CONTROL}
    assert np.isfinite(points[["x", "y"]].to_numpy()).all()
    assert points[["x", "y"]].std().min() > 0


def test_what_effects_say_of_themselves_is_passed_on(assessed, effects) -> None:
    given = assessed.effects.groupby("perturbation").first()
    found = effects.groupby("perturbation").first()
    for name in ("novelty", "verdict"):
        assert found[name].to_dict() == given.loc[found.index, name].to_dict()


def test_sources_of_spread_sum_to_the_whole(fitted, assessed) -> None:
    rows = spread_rows(fitted, assessed, seed=0)
    assert set(rows["perturbation"]) <= set(assessed.labels)
    assert set(rows["source"]) == {"library", "control", "latent", "counts"}
    np.testing.assert_allclose(rows.groupby("perturbation")["share"].sum(), 1.0)


def test_too_few_control_cells_leave_the_sources_of_spread_out(fitted, assessed) -> None:
    parts = replace(assessed.parts, train_controls=assessed.parts.train_controls[:5])
    rows = spread_rows(fitted, replace(assessed, parts=parts), seed=0)
    assert list(rows) == ["perturbation", "source", "share", "error"]
    assert rows.empty


def test_a_model_without_a_mixture_claims_no_share_of_responders(fitted, assessed) -> None:
    rows = responder_rows(fitted, assessed, seed=0)
    if fitted.bundle.model.responders is None:
        assert rows.empty
    else:
        assert rows["fraction"].between(0, 1).all()
