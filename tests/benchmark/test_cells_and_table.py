from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas
import pytest
import torch

from gpjepa.api.populations import Start
from gpjepa.benchmark import cells_and_table, truth
from gpjepa.benchmark.agreement import CELL, COMPOSED, REACHED, TABLE, Predictions
from gpjepa.benchmark.cells_and_table import DENOISED, FROM_CLEARED, Both
from gpjepa.core.config import Config
from gpjepa.data.perturbseq import read
from gpjepa.data.simulator import SimulationConfig, simulate
from gpjepa.data.simulator_config import CellsConfig, FreeConfig


def simulation(pairs: int = 6) -> SimulationConfig:
    return SimulationConfig(
        preset="free",
        cells=CellsConfig(control=200, perturbed=30, library_median=4000),
        free=FreeConfig(genes=40, perturbed=7, pairs=pairs, panel_share=0.3, effect_sd=0.4),
    )


def fitted(config: Config, pairs: int) -> Both:
    data = read(simulate(simulation(pairs))[0], announce=False)
    split = data.split("unseen-combination", seed=0, fraction=0.3)
    return cells_and_table.fit_both(data, split, config, 0, "cpu")


@pytest.fixture(scope="module")
def both(config: Config) -> Both:
    """Return both models of seven singles and too few pairs to learn interactions from."""
    return fitted(config, 6)


@pytest.fixture(scope="module")
def held(both: Both) -> list[str]:
    return sorted(set(both.panel.labels[both.parts.test]))


@pytest.fixture(scope="module")
def made(both: Both, held) -> Predictions:
    return cells_and_table.predictions(both, held, 0)


@pytest.mark.slow
def test_table_and_cell_model_compose_the_same_measured_effects_alike(config: Config) -> None:
    several = fitted(config, 21)
    labels = sorted(set(several.panel.labels[several.parts.test]))
    made = cells_and_table.predictions(several, labels, 0)
    assert several.model.bundle.model.predictor.composition.stacked is not None
    apart = np.linalg.norm(made[COMPOSED] - made[FROM_CLEARED])
    assert apart < 0.01 * np.linalg.norm(made[FROM_CLEARED])
    assert np.abs(made[CELL] - made[COMPOSED]).max() > 0.01  # decoding has a part
    assert np.isfinite(np.stack(list(made.values()))).all()


def test_without_pairs_to_learn_from_the_cell_model_adds_denoised_singles(made, both: Both) -> None:
    composition = both.model.bundle.model.predictor.composition
    assert composition.stacked is None
    basis = composition.basis.numpy()
    inside = made[DENOISED] @ basis.T @ basis
    # the cell model measures at the median library of training cells, here it is the controls'
    assert np.linalg.norm(made[COMPOSED] - inside) < 0.01 * np.linalg.norm(inside)
    assert np.abs(made[COMPOSED] - made[TABLE]).max() > 0.01
    assert {TABLE, CELL, REACHED, "additive", "no change"} < set(made)


def test_what_a_shift_can_express_is_a_projection_on_the_directions_of_the_decoder(
    made, both: Both
) -> None:
    directions = cells_and_table.decoder_directions(both)
    again = cells_and_table.within_reach(directions, made[REACHED])
    np.testing.assert_allclose(again, made[REACHED], atol=1e-6)
    missing = made[COMPOSED] - made[REACHED]
    assert np.abs(missing @ directions).max() < 1e-4 * np.abs(directions).max()
    everything = cells_and_table.within_reach(np.eye(3), np.arange(6.0).reshape(2, 3))
    np.testing.assert_allclose(everything, np.arange(6.0).reshape(2, 3))


def test_the_directions_are_what_a_small_shift_does_to_decoded_effects(both: Both) -> None:
    model = both.model
    start = Start(model.bundle, model.controls, None)
    state, library = start.controls.state, start.controls.library
    assert len(state) > cells_and_table.CELLS  # the mean is over a part of them

    def level(shift: torch.Tensor) -> np.ndarray:
        shares = model.bundle.model.decoder.mean_shares(state + shift, start.offset)
        mean = (library / library.sum()) @ shares
        return torch.log1p(both.target * mean).detach().double().numpy()[both.genes]

    step = torch.zeros(state.shape[1])
    step[0] = 0.05
    slope = (level(step) - level(-step)) / 0.1
    found = cells_and_table.decoder_directions(both)[:, 0]
    assert np.linalg.norm(found - slope) < 0.2 * np.linalg.norm(slope)


def test_held_out_cells_show_about_the_true_effects_on_the_genes_of_both(both: Both, held) -> None:
    true = simulate(simulation())[1].effects(target=both.target)
    genes = list(both.panel.genes[both.genes])
    observed = cells_and_table.held_out_effects(both, held)
    expected = true.loc[held, genes].to_numpy()
    assert observed.shape == expected.shape
    assert np.corrcoef(observed.ravel(), expected.ravel())[0, 1] > 0.8


def test_groups_are_scored_on_the_scored_genes_with_predictions_made_once(
    monkeypatch, both: Both, held
) -> None:
    calls = []

    def made(both, labels, seed) -> Predictions:
        calls.append(list(labels))
        rows = np.arange(len(labels))[:, None] + np.arange(len(both.genes))[None, :] % 5
        return {TABLE: rows.astype(float), CELL: 2.0 * rows, "additive": rows + 1.0}

    monkeypatch.setattr(cells_and_table, "predictions", made)
    few = replace(both, scored=np.arange(len(both.genes)) < 6)
    truth = np.zeros((1, len(both.genes)))
    groups = {name: ([label], truth) for name, label in zip("xy", held, strict=False)}
    found = cells_and_table.compared(few, groups, 0)
    assert calls == [sorted(held[:2])]
    size = found[(found.metric == "l2") & (found.model == TABLE)].set_index("group").value
    expected = [np.linalg.norm(row + np.array([0, 1, 2, 3, 4, 0])) for row in (0, 1)]
    assert size.loc[["x", "y"]].tolist() == pytest.approx(expected)


def test_interactions_are_scored_against_the_true_ones_and_their_intervals(both: Both) -> None:
    # Pairs that trained: others do nothing together where nothing is composed.
    trained = sorted({str(x) for x in both.panel.labels[both.parts.train] if "+" in x})
    told = both.model.interactions(trained, 0.9, seed=0)
    names = [str(gene) for gene in both.panel.genes[both.genes]]
    own = told.pivot(index="perturbation", columns="gene", values="interaction")
    own = own.loc[trained, names].to_numpy(dtype=np.float64)
    for true, error, inside in ((own, 0.0, 1.0), (own / 2, 1.0, None), (own + 100, None, 0.0)):
        found = cells_and_table.interaction_rows(both, trained, true, 0).set_index("metric")
        assert set(found.model) == {CELL}
        if error is not None:
            assert found.value["interaction_error"] == pytest.approx(error)
        if inside is not None:
            assert found.value["interaction_coverage_90"] == inside
        assert set(found["each"]["interaction_error"]) == set(trained)


def test_real_doubles_and_simulated_doubles_and_singles_are_compared(
    monkeypatch, config: Config
) -> None:
    asked = []

    def fit_both(data, split, *rest) -> SimpleNamespace:
        genes = np.flatnonzero(data.counts.sum(axis=0) > 5000)[:3]
        return SimpleNamespace(split=split, panel=data, genes=genes, target=1000.0)

    def compared(both, groups, seed) -> pandas.DataFrame:
        asked.append((groups, both.split))
        assert all(len(labels) == len(observed) for labels, observed in groups.values())
        return pandas.DataFrame({"group": list(groups)})

    def beyond(both, labels, true, seed) -> pandas.DataFrame:
        assert true.shape == (len(labels), 3)
        assert np.abs(true).max() > 0.1  # doubles of Norman interact
        return pandas.DataFrame({"group": ["interactions"]})

    monkeypatch.setattr(cells_and_table, "fit_both", fit_both)
    monkeypatch.setattr(cells_and_table, "compared", compared)
    monkeypatch.setattr(cells_and_table, "interaction_rows", beyond)
    shown = lambda both, labels: np.zeros((len(labels), 3))  # noqa: E731
    monkeypatch.setattr(cells_and_table, "held_out_effects", shown)
    cells_and_table.real(config, 0, "cpu")
    found = cells_and_table.simulated(config, 0, "cpu")
    assert found["group"].tolist()[-1] == "interactions"
    (real, split), (groups, drawn) = asked
    assert list(real) == ["doubles"]
    assert len(real["doubles"][0]) == 5
    assert set(real["doubles"][0]) < set(split.test)
    assert set(groups) == {truth.CELLS, truth.TRUTH, cells_and_table.SINGLES_TRUTH}
    assert set(groups[truth.CELLS][0]) == set(groups[truth.TRUTH][0]) == set(drawn.test)
    singles = {label for label in drawn.train if "+" not in label}
    assert set(groups[cells_and_table.SINGLES_TRUTH][0]) == singles
