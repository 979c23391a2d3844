import numpy as np
import pytest
from anndata import AnnData

from gpjepa.data import perturbseq
from gpjepa.data.simulator import simulate
from gpjepa.data.simulator_config import SimulationConfig
from gpjepa.data.simulator_truth import Truth


def free(cells: dict[str, object], **settings: object) -> tuple[AnnData, Truth]:
    document = {"genes": 50, "perturbed": 3, "pairs": 2, **settings}
    return simulate(
        SimulationConfig.model_validate({"preset": "free", "cells": cells, "free": document})
    )


@pytest.fixture(scope="module")
def norman() -> tuple[AnnData, Truth]:
    cells = {"control": 3000, "perturbed": 60}
    return simulate(
        SimulationConfig.model_validate({"cells": cells, "norman": {"least_cpm": 10.0}})
    )


def test_the_same_settings_give_the_same_bytes_and_another_seed_others() -> None:
    config = SimulationConfig.model_validate(
        {"preset": "free", "free": {"genes": 40, "perturbed": 3, "pairs": 2}}
    )
    first, second = simulate(config)[0], simulate(config)[0]
    assert first.X.data.tobytes() == second.X.data.tobytes()
    assert first.X.indices.tobytes() == second.X.indices.tobytes()
    assert first.obs.equals(second.obs)
    other = simulate(config.model_copy(update={"seed": 1}))[0]
    assert (first.X != other.X).nnz > 0


def test_moments_of_the_counts_are_the_stated_ones_with_every_kind_of_heterogeneity() -> None:
    cells = {
        "control": 2,
        "perturbed": 20_000,
        "library_log_sd": 0.0,
        "library_median": 3000,
        "states": 3,
        "batches": 2,
        "batch_log_sd": 0.3,
    }
    adata, truth = free(cells, perturbed=2, pairs=0, genes=20, responders=(0.4, 0.6))
    label = truth.perturbations[0]
    chosen = np.asarray(adata.obs["perturbation"] == label)
    counts = adata.X[chosen].toarray().astype(np.float64)
    exact = truth.moments(label, 3000.0)
    np.testing.assert_allclose(exact.mean, 3000 * truth.mean(label))
    error = np.sqrt(exact.variance / len(counts))
    assert (np.abs(counts.mean(axis=0) - exact.mean) < 4.5 * error).all()
    np.testing.assert_allclose(counts.var(axis=0), exact.variance, rtol=0.25)
    np.testing.assert_allclose((counts == 0).mean(axis=0), exact.zero_fraction, atol=0.016)
    share = np.asarray(adata.obs["responder"])[chosen].mean()
    assert abs(share - truth.responders[label]) < 0.015


def test_pseudobulk_effects_recover_the_truth(norman: tuple[AnnData, Truth]) -> None:
    adata, truth = norman
    labels = np.asarray(adata.obs["perturbation"], dtype=object)
    library = adata.obs["library"].to_numpy()

    def bulk(label: str) -> np.ndarray:
        mask = labels == label
        total = np.asarray(adata.X[mask].sum(axis=0)).ravel()
        return np.log1p(truth.target * total / library[mask].sum())

    expected = truth.effects()
    found = np.stack([bulk(label) - bulk("control") for label in expected.index])
    strong = np.abs(expected.to_numpy()).max(axis=1) > 1.0
    slope = np.polyfit(expected.to_numpy()[strong].ravel(), found[strong].ravel(), 1)[0]
    assert 0.95 < slope < 1.05
    assert np.corrcoef(expected.to_numpy()[strong].ravel(), found[strong].ravel())[0, 1] > 0.9


def test_klf1_raises_hbz_in_the_truth(norman: tuple[AnnData, Truth]) -> None:
    effects = norman[1].effects()
    assert effects.loc["KLF1", "HBZ"] > 0.5


def test_cells_read_as_counts_with_the_rest_of_the_transcriptome(
    norman: tuple[AnnData, Truth],
) -> None:
    adata, truth = norman
    data = perturbseq.read(adata, announce=False)
    assert adata.X.dtype == np.int32
    assert data.has_rest
    assert set(data.perturbations) == set(truth.perturbations)
    assert data.is_control.sum() == 3000
    np.testing.assert_allclose(np.median(data.library), truth.target, rtol=0.03)


def test_it_says_that_it_is_simulated(norman: tuple[AnnData, Truth]) -> None:
    adata, truth = norman
    assert adata.uns["simulated"] is True
    assert truth.simulated
    assert adata.uns["dataset"] == "simulated (norman preset)"
    assert all(name.startswith("simulated") for name in adata.obs_names)


def test_columns_appear_only_where_they_say_something() -> None:
    plain, _ = free({"control": 6, "perturbed": 6})
    assert list(plain.obs.columns) == ["perturbation", "total_counts", "library"]
    rich, _ = free(
        {"control": 40, "perturbed": 40, "batches": 2, "states": 2},
        contexts=2,
        doses=(1.0, 2.0),
        sequences=1,
        responders=(0.5, 0.5),
    )
    expected = {"cell_type", "batch", "dose", "sequence", "responder", "state"}
    assert expected <= set(rich.obs.columns)
    control = np.asarray(rich.obs["perturbation"] == "control")
    assert (rich.obs["dose"][control] == 0).all()
    assert not rich.obs["responder"][control].any()
    per_dose = rich.obs[~control].groupby(["perturbation", "cell_type", "dose"], observed=True)
    assert (per_dose.size() == 10).all()


def test_batches_and_states_leave_the_means_alone() -> None:
    _, truth = free({"control": 5, "perturbed": 5, "batches": 4, "states": 3})
    np.testing.assert_allclose(truth.batches.mean(axis=0), 1.0)
    np.testing.assert_allclose(truth.states.mean(axis=0), 1.0)
    assert truth.states.std() > 0.05
