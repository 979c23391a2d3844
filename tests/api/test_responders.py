from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import beta

from gpjepa.api.model import GPJEPA
from gpjepa.core.errors import ConfigError
from gpjepa.evaluation.pseudobulk import pseudobulk
from gpjepa.inference.calibration import COMBINATION, SUM, Choice
from gpjepa.model.composed_responders import ComposedResponders
from gpjepa.model.composition import Composition, Members, PairInteraction, PairKernel
from gpjepa.model.effect_composition import EffectComposition, Known
from gpjepa.model.mixture import SHARED, ResponderMixture
from gpjepa.model.stacked import StackedComposition


@pytest.fixture
def divided(saved) -> GPJEPA:
    """Return the fitted model with a mixture, its first perturbation measured."""
    model = GPJEPA.load(saved, device="cpu")
    sets = torch.tensor([[0, -1]])
    mixture = ResponderMixture(sets, torch.tensor([[30.0, 70.0]]), torch.tensor([6.0, 4.0]), SHARED)
    model.bundle.model.responders = mixture
    return model


def test_fractions_come_with_intervals_and_say_where_from(divided) -> None:
    first, second = divided.bundle.vocabulary.members[:2]
    table = divided.responders([first, second], level=0.8).set_index("perturbation")
    assert table.loc[first, "fraction"] == pytest.approx(0.3)
    assert table.loc[second, "fraction"] == pytest.approx(0.6)
    assert table.loc[first, "low"] == pytest.approx(beta.ppf(0.1, 30, 70))
    assert table.loc[first, "high"] == pytest.approx(beta.ppf(0.9, 30, 70))
    assert list(table["measured"]) == [True, False]


def test_responders_have_larger_effects_than_all_cells_together(divided) -> None:
    table = divided.responders(list(divided.bundle.vocabulary.members[:2]))
    assert (table["responder_effect"] > table["effect"]).all()


def test_without_a_mixture_every_cell_responds(model) -> None:
    table = model.responders(list(model.bundle.vocabulary.members[:2]))
    np.testing.assert_array_equal(table[["fraction", "low", "high"]], 1.0)
    np.testing.assert_allclose(table["responder_effect"], table["effect"], rtol=1e-6)


def test_the_mixture_is_saved_with_the_model(divided, tmp_path) -> None:
    label = divided.bundle.vocabulary.members[0]
    again = GPJEPA.load(divided.save(tmp_path / "model"), device="cpu")
    assert again.responders(label)["fraction"].item() == pytest.approx(0.3)


def test_predicted_cells_are_divided_into_responders_and_escapers(divided) -> None:
    mixture, label = divided.bundle.model.responders, divided.bundle.vocabulary.members[0]
    drawn = divided.predict(label, cells=40, seed=3).X
    mixture.belief[0] = torch.tensor([100.0, 0.0])
    everyone = divided.predict(label, cells=40, seed=3).X
    divided.bundle.model.responders = None
    assert (everyone != divided.predict(label, cells=40, seed=3).X).nnz == 0
    assert (drawn != everyone).nnz > 0


@pytest.mark.parametrize("level", [0.0, 1.0, -1.0])
def test_a_level_outside_its_range_is_refused(divided, level) -> None:
    with pytest.raises(ConfigError, match="level"):
        divided.responders(divided.bundle.vocabulary.members[0], level=level)


PAIR, FRACTION = "C+D", 0.4


@pytest.fixture
def composing(saved) -> GPJEPA:
    """Return the fitted model whose mixture composes responders of every pair."""
    model = GPJEPA.load(saved, device="cpu")
    names, genes = model.bundle.vocabulary.measured, len(model.bundle.panel.names)
    change = 0.8 * torch.randn(names, genes, generator=torch.Generator().manual_seed(0))
    none = Members(
        torch.zeros(0, 2, genes).double(), torch.zeros(0, 2, 1).double(), torch.zeros(0, 2).long()
    )
    own = Composition(torch.ones(genes).double(), PairInteraction(PairKernel(1.0), none).double())
    stacked = StackedComposition((own,), torch.tensor([1.0, 0.0, 0.0]).double())
    known = Known(
        torch.arange(len(model.bundle.vocabulary.members)).clamp_max(names - 1),
        change,
        change.clone(),
        torch.zeros(names, 1),
        torch.ones(names, dtype=torch.bool),
        torch.eye(genes),
        torch.arange(genes),
    )
    composed = ComposedResponders(
        EffectComposition(known, stacked, 8, True), change.clone(), torch.zeros(names, genes)
    )
    prior = 100.0 * torch.tensor([FRACTION, 1.0 - FRACTION])
    belief = prior[None].clone()
    sets = torch.tensor([[0, -1]])
    model.bundle.model.responders = ResponderMixture(sets, belief, prior, SHARED, composed)
    calibration = replace(model.bundle.calibration, choices={})
    model._bundle = replace(model.bundle, calibration=calibration)
    return model


def effect_of(model: GPJEPA, label: str) -> np.ndarray:
    return model.effects(label)["effect"].to_numpy()


def predicted_mean(model: GPJEPA, label: str, cells: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the effect that predicted cells have and its standard error."""
    target = float(np.median(model.controls.table.library))
    drawn = model.predict(label, cells=cells, seed=1)
    made = pseudobulk(drawn.X, drawn.obs["total_counts"].to_numpy(), target)
    plain = model.predict("control", cells=4 * cells)
    base = pseudobulk(plain.X, plain.obs["total_counts"].to_numpy(), target)
    shares = drawn.X.toarray() / drawn.obs["total_counts"].to_numpy()[:, None]
    error = 1.25**0.5 * target * shares.std(axis=0) / np.sqrt(cells) / np.exp(made)
    return made - base, error


def test_effects_answered_are_those_of_responders_and_escapers_together(composing) -> None:
    mixture = composing.bundle.model.responders
    members = torch.from_numpy(composing.bundle.vocabulary.encode([PAIR]))
    table, target = composing.controls.table, float(np.median(composing.controls.table.library))
    base = np.expm1(pseudobulk(table.counts, table.library, target))
    change = np.exp(mixture.composition(members)[0].numpy())
    expected = np.log1p(base * (FRACTION * change + 1.0 - FRACTION)) - np.log1p(base)
    # the offset of the logits, which brings decoded controls to the real ones, has a prior
    np.testing.assert_allclose(effect_of(composing, PAIR), expected, atol=0.02)


def test_the_mean_of_predicted_cells_is_the_effect_answered(composing) -> None:
    found, error = predicted_mean(composing, PAIR, 4000)
    standard = (found - effect_of(composing, PAIR)) / np.hypot(error, 0.01)
    assert np.abs(standard).max() < 4.5
    assert np.linalg.norm(effect_of(composing, PAIR)) > 20 * np.linalg.norm(error)


def test_predicted_cells_taken_from_another_source_have_its_mean(composing) -> None:
    other = {COMBINATION: Choice(SUM)}
    calibration = replace(composing.bundle.calibration, choices=other)
    composing._bundle = replace(composing.bundle, calibration=calibration)
    found, error = predicted_mean(composing, PAIR, 4000)
    wanted = effect_of(composing, PAIR)
    assert composing.effects(PAIR)["source"].unique() == [SUM]
    near = np.abs(wanted) < 0.3  # a larger loss than responders can have is bounded
    standard = (found - wanted) / np.hypot(error, 0.02)
    assert np.abs(standard[near]).max() < 4.5


def test_interactions_of_composed_responders_are_departures_from_the_sum(composing) -> None:
    table = composing.interactions(PAIR)
    np.testing.assert_allclose(table["effect"], effect_of(composing, PAIR), atol=1e-6)
    np.testing.assert_allclose(table["interaction"], table["departure"])
    assert ((table["low"] <= table["interaction"]) & (table["interaction"] <= table["high"])).all()


def test_single_perturbations_are_as_without_composed_responders(composing, divided) -> None:
    label = composing.bundle.vocabulary.members[0]
    np.testing.assert_array_equal(effect_of(composing, label), effect_of(divided, label))


def test_responders_of_a_composed_pair_are_as_strong_as_composed(composing) -> None:
    row = composing.responders(PAIR).iloc[0]
    assert row["fraction"] == pytest.approx(FRACTION)
    assert row["responder_effect"] > 1.5 * row["effect"]


def test_a_composed_mixture_is_saved_with_the_model(composing, tmp_path) -> None:
    again = GPJEPA.load(composing.save(tmp_path / "model"), device="cpu")
    np.testing.assert_array_equal(effect_of(again, PAIR), effect_of(composing, PAIR))
    drawn, same = (each.predict(PAIR, cells=30, seed=2).X for each in (composing, again))
    assert (drawn != same).nnz == 0


def test_without_escapers_answers_have_the_bits_of_the_predictor_alone(model) -> None:
    """A model without a mixture decodes means as they always were."""
    few = model.bundle.model
    assert few.responders is None
    state = torch.randn(5, 8, generator=torch.Generator().manual_seed(0))
    members = torch.tensor([[0, 1]]).expand(5, 2)
    weight = torch.linspace(0.1, 1.0, len(state))
    own = few.pooled_shares(members, torch.zeros_like(state), state, weight)
    torch.testing.assert_close(own, weight @ few.decoder.mean_shares(state))
