from dataclasses import replace

import numpy as np
import pytest

from gpjepa.compose.firsts import fit_relations
from gpjepa.compose.priors import Views
from gpjepa.compose.spread import fit_lone_spread, fit_spread, incidence, left_out_traits
from gpjepa.compose.stack import fit_stack
from gpjepa.model.error_bars import TRAITS


@pytest.fixture(scope="module")
def stack(screen, alone):
    return fit_stack(screen, alone)


def test_without_doubles_left_out_there_is_nothing_to_fit(stack, alone):
    assert fit_spread(replace(stack, held_out=None), alone) is None


def test_members_are_marked(alone):
    found = incidence(alone, ["G00+G03", "G13"])
    assert found.sum(axis=1).tolist() == [2.0, 1.0]
    assert found[0, [0, 3]].tolist() == [1.0, 1.0]


def test_scores_do_not_depend_on_the_unit_of_the_effects(stack, alone, screen):
    plain = fit_spread(stack, alone)
    bigger = replace(
        stack,
        errors=1000 * stack.errors,
        held_out=replace(stack.held_out, truth=1000 * stack.held_out.truth),
    )
    scaled = fit_spread(bigger, replace(alone, effects=1000 * alone.effects))
    np.testing.assert_allclose(scaled.scale, 1000 * plain.scale)
    np.testing.assert_allclose(scaled.conformal.scores, plain.conformal.scores, rtol=1e-6)


def test_the_size_of_errors_is_learned_from_traits_and_members(stack, alone):
    rng = np.random.default_rng(0)
    labels = stack.held_out.labels
    size = np.exp(incidence(alone, labels)[:, 0] * 1.5)
    errors = rng.normal(size=stack.errors.shape) * size[:, None] * np.array([1.0] * 6 + [5.0] * 6)
    truth = stack.held_out.truth + stack.errors - errors
    made = replace(stack, errors=errors, held_out=replace(stack.held_out, truth=truth))
    found = fit_spread(made, alone)
    assert found.line.restless[0] == found.line.restless.max() > 0.3
    ratio = found.scale[6:].mean() / found.scale[:6].mean()
    assert 3.5 < ratio < 7.0
    assert np.corrcoef(found.conformal.sizes, np.log(size))[0, 1] > 0.6


def test_squared_errors_of_a_double_are_its_variance_on_average(stack, alone):
    found = fit_spread(stack, alone)
    variance = (found.unit * stack.errors / found.conformal.scores) ** 2
    ratio = (stack.errors**2).sum(axis=1) / variance.sum(axis=1)
    assert ratio.mean() == pytest.approx(1.0)


def test_departures_have_the_noise_of_the_singles_in_their_errors(stack, alone):
    effects, departing = fit_spread(stack, alone), fit_spread(stack, alone, departure=True)
    off = stack.errors + alone.sums(stack.held_out.labels)
    off = off - stack.alone(alone, stack.held_out.labels)
    np.testing.assert_allclose(departing.scale, np.sqrt((off**2).mean(axis=0)))
    assert left_out_traits(stack, alone).shape == (len(stack.errors), TRAITS)
    assert effects.conformal.scores.shape == stack.errors.shape


def families(count, seed=0):
    """Return singles of two families of genes, the second with errors five times as large."""
    rng = np.random.default_rng(seed)
    family = np.arange(count) % 2
    alike = (family[:, None] == family[None]).astype(float)
    effects = rng.normal(size=(count, 8)) * np.where(family, 5.0, 1.0)[:, None]
    return effects, Views(alike[None], np.ones((1, count)), np.ones(1))


def test_relatives_of_genes_with_large_errors_have_large_ones():
    effects, views = families(24)
    relations = fit_relations(effects, views)
    spread = fit_lone_spread(relations, views, relations.errors)
    small, large = np.exp(spread.sizes(views.first(np.arange(24)))[:2])
    assert large > 3 * small
    scores = spread.conformal.scores
    assert 0.4 < np.median(scores[0::2]) / np.median(scores[1::2]) < 2.5


def test_one_single_tells_nothing_of_errors():
    effects, views = families(1)
    spread = fit_lone_spread(fit_relations(effects, views), views, np.ones((1, 8)))
    assert np.isnan(spread.scale).all()
    assert np.isnan(spread.conformal.multiples(0.5, np.zeros(1))).all()
