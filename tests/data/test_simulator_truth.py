from pathlib import Path

import numpy as np
import pytest
from anndata import AnnData, read_h5ad

from gpjepa.core.errors import DataError, VocabularyError
from gpjepa.data.simulator import simulate
from gpjepa.data.simulator_config import SimulationConfig
from gpjepa.data.simulator_truth import Truth


def config(**free: object) -> SimulationConfig:
    return SimulationConfig.model_validate(
        {
            "preset": "free",
            "cells": {"control": 20, "perturbed": 12},
            "free": {"genes": 80, "perturbed": 5, "pairs": 8, **free},
        }
    )


@pytest.fixture(scope="module")
def rich() -> Truth:
    settings = {"contexts": 2, "doses": (1.0, 10.0), "responders": (0.3, 0.8), "sequences": 2}
    return simulate(config(**settings))[1]


def test_the_population_mean_mixes_responders_with_control(rich: Truth) -> None:
    label = rich.perturbations[0]
    share = rich.responders[label]
    mixed = share * rich.responding(label) + (1 - share) * rich.mean("control")
    np.testing.assert_allclose(rich.mean(label), mixed)
    assert 0.3 <= share <= 0.8


def test_effects_are_differences_of_logged_means(rich: Truth) -> None:
    label = rich.perturbations[3]
    for target in (rich.target, 1e6):
        frame = rich.effects("type2", 1.0, target=target)
        expected = np.log1p(target * rich.mean(label, "type2", 1.0)) - np.log1p(
            target * rich.mean("control", "type2")
        )
        np.testing.assert_allclose(frame.loc[label], expected)


def test_interactions_are_pairs_minus_both_singles_on_either_scale() -> None:
    _, truth = simulate(config(interacting=0.5))
    logged = truth.interactions("log rate")
    quiet = np.abs(logged.to_numpy()).max(axis=1) < 1e-9
    assert quiet.sum() == 4  # half of the eight pairs do not interact
    shown = truth.interactions("effect")
    effects = truth.effects()
    first, second = shown.index[0].split("+")
    expected = effects.loc[shown.index[0]] - effects.loc[first] - effects.loc[second]
    np.testing.assert_allclose(shown.iloc[0], expected)
    assert np.abs(shown.to_numpy()[quiet]).max() > 1e-6  # additive logs are not additive log1p


def test_without_a_dose_the_highest_one_is_meant(rich: Truth) -> None:
    label = rich.perturbations[0]
    np.testing.assert_array_equal(rich.mean(label), rich.mean(label, "type1", 10.0))
    assert not np.allclose(rich.mean(label), rich.mean(label, "type1", 1.0))


def test_a_sequence_is_known_apart_from_its_pair(rich: Truth) -> None:
    assert len(rich.sequences) == 4
    first, second = rich.sequences[0].split(">")
    forward = rich.mean_of_sequence(f"{first}>{second}")
    backward = rich.mean_of_sequence(f"{second}>{first}")
    label = "+".join(sorted([first, second]))
    np.testing.assert_allclose((forward + backward) / 2, rich.responding(label))
    assert not np.allclose(forward, backward)


def test_names_that_were_not_simulated_are_refused(rich: Truth) -> None:
    label = rich.perturbations[0]
    with pytest.raises(VocabularyError, match="perturbation 'KLF1' is not known"):
        rich.mean("KLF1")
    with pytest.raises(VocabularyError, match="cell_type 'typ1' is not known.*'type1'"):
        rich.mean(label, "typ1")
    with pytest.raises(VocabularyError, match="dose '3' is not known"):
        rich.mean(label, None, 3.0)
    with pytest.raises(VocabularyError, match="sequence 'A>B' is not known"):
        rich.mean_of_sequence("A>B")
    _, plain = simulate(config())
    with pytest.raises(VocabularyError, match="dose '3' is not known"):
        plain.mean(plain.perturbations[0], None, 3.0)


def test_truth_comes_back_from_a_file_even_on_fewer_genes(tmp_path: Path) -> None:
    settings = {"doses": (1.0, 10.0), "responders": (0.3, 0.8), "sequences": 2}
    adata, truth = simulate(config(**settings))
    adata[:, :10].copy().write_h5ad(tmp_path / "s.h5ad")
    again = Truth.from_anndata(read_h5ad(tmp_path / "s.h5ad"))
    np.testing.assert_array_equal(again.effects().to_numpy(), truth.effects().to_numpy())
    assert list(again.genes) == list(truth.genes)
    assert again.sequences == truth.sequences
    assert again.config == truth.config
    assert list(again.hill.index) == list(truth.hill.index)
    np.testing.assert_array_equal(again.dispersion, truth.dispersion)


def test_real_cells_have_no_truth() -> None:
    with pytest.raises(DataError, match="uns has no simulated truth"):
        Truth.from_anndata(AnnData(np.ones((2, 2), np.float32)))
