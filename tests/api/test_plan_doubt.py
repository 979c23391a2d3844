from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from gpjepa.api.model import GPJEPA
from gpjepa.api.plan_doubt import believed, composition_of, placed
from gpjepa.api.plan_next import next_experiments, unmeasured
from gpjepa.api.plan_space import Constraints, Names, space_of
from gpjepa.api.populations import Start
from gpjepa.core.errors import ConfigError
from gpjepa.data.feature_table import GeneFeatures
from gpjepa.planning.experiments import told

NEW = ("KLF1", "KLF2", "GATA1")  # KLF1 and KLF2 are alike, GATA1 is like neither


@pytest.fixture(scope="module")
def featured(tiny, data, split) -> GPJEPA:
    """Return a fitted model that knows three genes from features only."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(9, 12)).astype(np.float32)
    values[7] = values[6] + 0.2 * rng.normal(size=12)
    features = GeneFeatures((*"ABCDEF", *NEW), values)
    made = GPJEPA(data, tiny.make_config(), split, features=features, device="cpu")
    made.fit()
    return made


@pytest.fixture(scope="module")
def at(featured) -> Start:
    return Start(featured.bundle, featured.controls, None)


def correlation(start: Start, one: str, other: str) -> float:
    covariance = believed(start, [one, other])[0].covariance
    return float(covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1]))


def test_genes_with_features_only_are_placed(at) -> None:
    assert placed(at, ["A", *NEW, "B"]).tolist() == [False, True, True, True, False]


def test_genes_alike_tell_more_of_each_other(at) -> None:
    assert correlation(at, "KLF1", "KLF2") > 0.5
    assert abs(correlation(at, "KLF1", "GATA1")) < 0.5


def test_a_pair_carries_the_doubt_of_its_unmeasured_member(at) -> None:
    labels = ["KLF1", "A+KLF1", "B+KLF1", "E+F", "GATA1"]
    belief, deviation = believed(at, labels)
    np.testing.assert_allclose(np.diagonal(belief.covariance), deviation**2, rtol=1e-6)
    assert 0.3 < correlation(at, "KLF1", "A+KLF1") < 0.99
    assert correlation(at, "A+KLF1", "B+KLF1") > 0.1
    assert correlation(at, "KLF1", "E+F") == pytest.approx(0.0, abs=1e-9)
    left = np.diagonal(belief.after(0).covariance)
    assert left[1] < 0.95 * deviation[1] ** 2
    assert left[2] < 0.95 * deviation[2] ** 2
    assert left[3] == pytest.approx(deviation[3] ** 2)


def test_the_covariance_is_one(at) -> None:
    genes = list("ABCDEF")
    labels = [*NEW, *(f"{a}+{b}" for a in genes for b in NEW), "E+F", "A+E"]
    covariance = believed(at, labels)[0].covariance
    np.testing.assert_allclose(covariance, covariance.T, atol=1e-6)
    assert np.linalg.eigvalsh(covariance).min() > -1e-6 * covariance.max()


def test_what_is_told_includes_the_pairs_of_a_gene(at) -> None:
    few, _ = believed(at, ["KLF1", "E+F"])
    more, deviation = believed(at, ["KLF1", "E+F", "A+KLF1", "B+KLF1"])
    alone = told(few, np.array([0]))[0] * (np.diagonal(few.covariance).sum())
    together = told(more, np.array([0]))[0] * (deviation**2).sum()
    assert together > 1.2 * alone


@pytest.mark.parametrize("candidates", ["all", ["A", "B", *NEW]])
@pytest.mark.parametrize("goal", [None, "C+D"])
def test_genes_never_measured_are_chosen(featured, data, candidates, goal) -> None:
    table = next_experiments(featured, 6, goal, candidates=candidates, data=data, cells=20)
    chosen = table["perturbation"].tolist()
    assert len(set(chosen)) == 6
    assert not set(chosen) & set(data.perturbations)
    assert any(set(label.split("+")) & set(NEW) for label in chosen)
    assert (table["deviation"] > 0).all()
    assert (table["told"] > 0).all()
    assert table["told"].sum() <= 1 + 1e-9
    assert (table["members"] == [len(label.split("+")) for label in chosen]).all()
    if goal is not None:
        assert np.isfinite(table[["energy", "energy_sd"]].to_numpy()).all()


def test_the_first_experiment_for_the_model_is_of_an_unmeasured_gene(featured, data) -> None:
    (first,) = next_experiments(featured, 1, candidates="all", data=data)["perturbation"]
    assert set(first.split("+")) & set(NEW)


def test_candidates_are_genes_and_pairs_with_them(featured, at, data, monkeypatch) -> None:
    names = Names(featured.bundle.vocabulary)
    space = space_of(Constraints(2, 1, ["A", "KLF1", "KLF2"]), names)
    labels = unmeasured(at, space, data.perturbations)
    assert labels == ["KLF1", "KLF2", "A+KLF1", "A+KLF2", "KLF1+KLF2"]
    monkeypatch.setattr("gpjepa.api.plan_next.PAIRS", 2)
    assert unmeasured(at, space, data.perturbations) == ["KLF1", "KLF2"]


def test_a_model_that_composes_nothing_is_refused() -> None:
    nothing = SimpleNamespace(predictor=SimpleNamespace(composition=None))
    with pytest.raises(ConfigError, match="composes no effects"):
        composition_of(SimpleNamespace(bundle=SimpleNamespace(model=nothing)))
