from __future__ import annotations

import numpy as np
import pytest

from gpjepa.compose.fit import fit_table
from gpjepa.compose.recover import all_pairs, fit_recoverer
from gpjepa.core.errors import DataError
from gpjepa.planning.whitening import cosines


@pytest.fixture(scope="module")
def halves(screen):
    rng = np.random.default_rng(0)
    out = np.sort(rng.permutation(screen.pairs.rows)[:20])
    training = screen.without(out)
    return fit_table(training, None, None, 0), {
        screen.labels[row]: screen.effects[row] for row in out
    }


def ranks(predicted, recoverer, held_out) -> np.ndarray:
    names = list(all_pairs(recoverer.composer.alone))
    truth = np.array([*held_out.values()]) @ recoverer.whiten
    found = cosines(truth, predicted)
    own = found[np.arange(len(truth)), [names.index(label) for label in held_out]]
    return 1 + (found > own[:, None]).sum(axis=1)


def test_doubles_left_out_are_found_more_often_than_by_the_sum(halves) -> None:
    composer, held_out = halves
    recoverer = fit_recoverer(composer)
    pairs = all_pairs(composer.alone)
    ours = ranks(recoverer.effects(pairs), recoverer, held_out)
    sums = ranks(composer.alone.sums(pairs) @ recoverer.whiten, recoverer, held_out)
    assert (ours == 1).mean() > (sums == 1).mean() + 0.1
    assert (ours == 1).mean() > 0.6


def test_recover_returns_the_closest_first_and_agrees_with_the_effects(halves) -> None:
    composer, held_out = halves
    recoverer = fit_recoverer(composer)
    pairs = all_pairs(composer.alone)
    effect = next(iter(held_out.values()))
    found = recoverer.recover(effect, n=5)
    assert np.all(np.diff(found.cosine) <= 0)
    all_of = cosines((effect @ recoverer.whiten)[None], recoverer.effects(pairs))[0]
    assert found.labels == tuple(pairs[row] for row in np.argsort(-all_of)[:5])
    assert recoverer.recover(effect, 2).labels == found.labels[:2]
    few = recoverer.recover(effect, candidates=[pairs[3], pairs[0]], n=10)
    assert set(few.labels) == {pairs[3], pairs[0]}


def test_a_single_is_its_own_whitened_effect_and_triples_shift_by_all_their_pairs(halves) -> None:
    composer, _ = halves
    recoverer = fit_recoverer(composer)
    white = composer.alone.effects @ recoverer.whiten
    assert recoverer.effects(["G03"])[0] == pytest.approx(white[3])
    pairs = ["G00+G01", "G00+G02", "G01+G02"]
    triple = recoverer.effects(["G00+G01+G02"])[0]
    # each single is in two of the pairs, so the sum of pairs counts the rescaled sum twice
    rescaled = recoverer.effects(pairs).sum(axis=0) - triple
    sums = white[:3].sum(axis=0) @ recoverer.basis.T * recoverer.factors @ recoverer.basis
    assert rescaled == pytest.approx(sums)


def test_without_doubles_the_composers_own_sums_are_whitened(screen) -> None:
    composer = fit_table(screen.without(screen.pairs.rows), None, None, 0)
    recoverer = fit_recoverer(composer)
    predicted = composer.predict(["G00+G05"]).effects
    assert recoverer.effects(["G00+G05"]) == pytest.approx(predicted @ recoverer.whiten)


def test_an_effect_of_another_length_is_refused(halves) -> None:
    recoverer = fit_recoverer(halves[0])
    with pytest.raises(DataError, match="expected 12 finite values"):
        recoverer.recover(np.ones(5))
