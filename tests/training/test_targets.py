import numpy as np
import torch

from gpjepa.compose.latent import fit_members
from gpjepa.model.effect_composition import EffectComposition
from gpjepa.model.stacked import StackedComposition
from gpjepa.training.measured_effects import ERROR_FLOOR
from gpjepa.training.targets import effect_targets


def composition_of(prepared) -> EffectComposition:
    """Return a composition that halves the sum of every set."""
    measured, genes = prepared.observed, np.arange(4)
    effects, smooth = measured.effect[:, genes], measured.posterior.mean[:, genes]
    found = fit_members(measured.labels, effects, smooth, genes, prepared.vocabulary, None, 8, 0)
    found.stacked = StackedComposition((), torch.tensor([0.5, 0.5], dtype=torch.float64))
    return found


def test_without_a_composition_targets_are_the_denoised_effects(prepared):
    measured = prepared.observed
    expected = measured.posterior
    found = effect_targets(prepared, None)
    np.testing.assert_allclose(found.effect.numpy(), expected.mean, rtol=1e-5, atol=1e-6)
    assert float(found.error.min()) >= ERROR_FLOOR * 0.999


def test_sets_are_to_reach_their_composed_effect_on_its_genes(prepared):
    labels, composition = prepared.observed.labels, composition_of(prepared)
    plain, found = effect_targets(prepared, None), effect_targets(prepared, composition)
    single, double = labels.index("A"), labels.index("A+B")
    torch.testing.assert_close(found.effect[single], plain.effect[single])
    torch.testing.assert_close(found.effect[double, 4:], plain.effect[double, 4:])
    members = torch.from_numpy(prepared.vocabulary.encode(["A", "B"])).squeeze(1)
    own = composition.effects[composition.row[members]].sum(dim=0) @ composition.basis
    torch.testing.assert_close(found.effect[double, :4], 0.5 * own, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(found.error, plain.error)
