import numpy as np
import pytest

from gpjepa.compose import fit
from gpjepa.core.errors import ConfigError, VocabularyError
from gpjepa.data.feature_table import GeneFeatures


@pytest.fixture(scope="module")
def composer(screen, alone):
    rows = screen.pairs.rows[:45]
    rng = np.random.default_rng(5)
    features = rng.normal(size=(len(alone.names) + 1, 4))
    names = (*alone.names, "NEW")
    return fit(
        alone.effects,
        screen.effects[rows],
        alone.names,
        [screen.labels[row] for row in rows],
        features=GeneFeatures(names, features),
    )


def test_order_does_not_matter_and_any_size_is_predicted(composer):
    found = composer.predict(["G01+G00", "G00+G01", "G00+G01+G05+G07"])
    np.testing.assert_allclose(found.effects[0], found.effects[1], rtol=1e-12)
    assert found.labels[0] == "G00+G01"
    assert np.isfinite(found.effects).all()
    assert (found.low[2] < found.effects[2]).all()
    assert (found.effects[2] < found.high[2]).all()


def test_one_label_may_be_given_as_text(composer):
    found = composer.predict("G00+G01")
    assert found.labels == ("G00+G01",)
    np.testing.assert_array_equal(found.effects, composer.predict(["G00+G01"]).effects)


def test_interaction_is_the_departure_from_the_sum_and_none_for_a_single(composer, alone):
    found = composer.predict(["G00", "G00+G03"])
    np.testing.assert_array_equal(found.interaction[0], 0.0)
    assert np.isnan(found.low[0]).all()
    sums = found.effects[1] - found.interaction[1]
    assert np.corrcoef(sums, alone.effects[0] + alone.effects[3])[0, 1] > 0.99
    assert np.abs(found.interaction[1]).max() > 0.5


def test_intervals_widen_with_the_level_and_cover_doubles_not_seen(composer, screen):
    rows = screen.pairs.rows[45:]
    labels = [screen.labels[row] for row in rows]
    truth, inside = screen.effects[rows], []
    for level in (0.5, 0.9):
        found = composer.predict(labels, level=level)
        inside.append(((found.low <= truth) & (truth <= found.high)).mean())
    assert 0.35 < inside[0] < 0.75
    assert 0.8 < inside[1] <= 1.0


def test_intervals_of_interactions_cover_those_of_doubles_not_seen(composer, screen):
    rows = screen.pairs.rows[45:]
    labels = [screen.labels[row] for row in rows]
    measured, inside = screen.effects[rows] - screen.sums(labels), []
    for level in (0.5, 0.9):
        found = composer.predict(labels, level=level)
        low, high = found.interaction_low, found.interaction_high
        inside.append(((low <= measured) & (measured <= high)).mean())
        np.testing.assert_allclose((low + high) / 2, found.interaction)
    assert 0.35 < inside[0] < 0.75
    assert 0.8 < inside[1] <= 1.0


def test_a_single_has_no_interaction_and_a_guessed_member_makes_it_doubtful(composer):
    found = composer.predict(["G00", "NEW", "G00+NEW", "G00+G03"])
    width = found.interaction_high - found.interaction_low
    np.testing.assert_array_equal(width[:2], 0.0)
    assert width[2].mean() > width[3].mean() > 0


def test_without_doubles_an_interaction_has_no_interval(alone):
    found = fit(alone.effects, alone.effects[:0], alone.names, []).predict(["G00+G01"])
    assert np.isnan(found.interaction_low).all()


def test_a_gene_with_features_is_predicted_with_wider_intervals(composer):
    found = composer.predict(["G00+NEW", "G00+G03", "NEW"])
    width = (found.high - found.low).mean(axis=1)
    assert width[0] > width[1]
    assert np.isfinite(width[2])


def test_novelty_is_that_of_the_farthest_member(composer):
    found = composer.predict(["G00", "G00+G03", "NEW", "G00+NEW"])
    np.testing.assert_array_equal(found.novelty[:2], 0.0)
    assert 0 < found.novelty[2] <= 1
    assert found.novelty[2] == found.novelty[3]


@pytest.mark.parametrize("label", ["", "control", "G00+G00", "G00+NOBODY", "G00+"])
def test_labels_that_mean_nothing_are_refused(composer, label):
    with pytest.raises(VocabularyError):
        composer.predict([label])


def test_an_unknown_member_is_named_with_the_closest_ones(composer):
    with pytest.raises(VocabularyError, match=r"'G0' is not known .*closest: .*features"):
        composer.predict(["G00+G0"])


def test_a_level_outside_0_and_1_is_refused(composer):
    with pytest.raises(ConfigError, match=r"level is 1\.5"):
        composer.predict(["G00"], level=1.5)
