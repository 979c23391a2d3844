from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from gpjepa.data.labels import CONTROL
from gpjepa.inference.cells import CellTable
from gpjepa.training.pipeline import seeded_world_model
from gpjepa.training.population_validation import (
    FEWEST_CELLS,
    JUDGED,
    PopulationSkill,
    PopulationValidation,
    make_population_validation,
)
from gpjepa.training.prepare import prepare


@pytest.fixture(scope="module")
def many(tiny):
    """A screen with enough cells of every perturbation to compare populations."""
    from gpjepa.data.perturbseq import read

    data = read(tiny.make_cells(perturbed=60, control=120), announce=False)
    return prepare(data, tiny.make_split(data), tiny.make_config(), None)


@pytest.fixture(scope="module")
def validation(many) -> PopulationValidation:
    genes = np.ones(len(many.genes), dtype=bool)
    target = many.moments.target
    return make_population_validation(
        many.controls, many.checked, many.vocabulary, genes, target, 0
    )


def predicting(validation: PopulationValidation, cells) -> PopulationValidation:
    """Return the validation with predictions replaced by `cells` of a label."""

    class Told(PopulationValidation):
        def _predict(self, model, label, wanted, offset):
            table = cells(label)
            rows = np.random.default_rng(0).integers(0, len(table), wanted)
            return table.take(rows)

    return Told(**validation.__dict__)


@pytest.fixture(scope="module")
def model(tiny, many):
    return seeded_world_model(many, tiny.make_config(), 0).eval().requires_grad_(False)


def test_perturbations_with_few_cells_are_left_out(prepared, tiny) -> None:
    genes = np.ones(len(prepared.genes), dtype=bool)
    found = make_population_validation(
        prepared.controls, prepared.checked, prepared.vocabulary, genes, 100.0, 0
    )
    assert found.observed == {}
    model = seeded_world_model(prepared, tiny.make_config(), 0).eval()
    score = found(model)
    assert (score.skills, score.shares, score.latent_spread) == ({}, {}, None)
    assert np.isnan(score.mean)


def test_control_cells_resampled_have_no_skill_and_the_observed_cells_have_it_all(
    many, validation, model
) -> None:
    assert {len(cells) for cells in validation.observed.values()} == {60}
    assert min(map(len, validation.observed.values())) >= FEWEST_CELLS
    controls = predicting(validation, lambda label: many.controls.table)(model)
    truth = predicting(validation, lambda label: validation.observed[label])(model)
    assert set(truth.skills) <= set(JUDGED)
    assert "energy_distance" in truth.skills
    assert abs(controls.mean) < 0.35
    assert truth.mean > 0.75
    gain, error = truth.gain(controls)
    assert gain == pytest.approx(truth.mean - controls.mean)
    assert gain > 2 * error > 0
    assert truth.latent_spread == pytest.approx(1.0, abs=0.15)


def test_shares_average_to_the_mean_skill(validation, model) -> None:
    found = validation(model)
    assert np.mean(list(found.shares.values())) == pytest.approx(found.mean)
    assert set(found.shares) <= set(validation.observed)


def test_the_same_model_scores_the_same_again(validation, model) -> None:
    assert validation(model) == validation(model)


def test_a_population_without_spread_is_told_by_its_variance(many, validation, model) -> None:
    def stiff(label: str) -> CellTable:
        table = validation.observed[label]
        mean = np.asarray(table.counts.mean(axis=0)).round()
        return CellTable(csr_matrix(np.repeat(mean, len(table), axis=0)), table.library)

    found = predicting(validation, stiff)(model)
    truth = predicting(validation, lambda label: validation.observed[label])(model)
    assert found.latent_spread < 0.5
    assert found.mean < truth.mean - 0.5


def test_perturbations_like_control_cannot_be_judged(many, validation, model) -> None:
    half = len(many.controls.table) // 2
    same = {name: many.controls.table.take(np.arange(half)) for name in validation.observed}
    assert replace(validation, observed=same)(model).skills == {}


def test_a_gain_over_one_perturbation_is_never_sure() -> None:
    before = PopulationSkill({"pit_distance": 0.1}, {"A": 0.1}, 1.0)
    after = PopulationSkill({"pit_distance": 0.9}, {"A": 0.9}, 1.0)
    gain, error = after.gain(before)
    assert gain == pytest.approx(0.8)
    assert error == np.inf


def test_control_is_no_validation_perturbation(many, validation) -> None:
    assert CONTROL not in validation.observed
