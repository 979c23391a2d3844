import numpy as np
import pytest
import torch

import gpjepa
from gpjepa.compose.latent import FEWEST_SINGLES, fit_members
from gpjepa.data.feature_table import GeneFeatures
from gpjepa.data.vocabulary import Vocabulary
from gpjepa.model.stacked import StackedComposition

NOTHING = GeneFeatures((), np.zeros((0, 1)))


def fitted(screen, features=NOTHING, others=(), rows=None):
    labels = screen.labels if rows is None else tuple(screen.labels[row] for row in rows)
    effects = screen.effects if rows is None else screen.effects[rows]
    singles = tuple(label for label in screen.labels if "+" not in label)
    vocabulary = Vocabulary((*singles, *others), len(singles))
    genes = np.arange(effects.shape[1])
    return vocabulary, fit_members(
        labels, effects, 0.9 * effects, genes, vocabulary, features, 6, 0
    )


def test_cells_and_tables_run_the_same_module(screen, monkeypatch):
    """Both the predictor's composition and `gpjepa.compose` go through StackedComposition."""
    runs = []
    plain = StackedComposition.forward

    def counted(self, members):
        runs.append(len(members.ids))
        return plain(self, members)

    monkeypatch.setattr(StackedComposition, "forward", counted)
    vocabulary, members = fitted(screen)
    members(torch.from_numpy(vocabulary.encode(["G00+G05"])))
    assert runs == [1]
    singles = [label for label in screen.labels if "+" not in label]
    doubles = [label for label in screen.labels if "+" in label]
    rows = [[screen.row[label] for label in each] for each in (singles, doubles)]
    composer = gpjepa.compose.fit(*(screen.effects[each] for each in rows), singles, doubles)
    runs.clear()
    composer.predict(["G00+G05"])
    assert set(runs) == {1}


def test_cells_and_tables_compose_to_the_same_effect(screen):
    vocabulary, members = fitted(screen)
    singles = [label for label in screen.labels if "+" not in label]
    doubles = [label for label in screen.labels if "+" in label]
    rows = [[screen.row[label] for label in each] for each in (singles, doubles)]
    composer = gpjepa.compose.fit(*(screen.effects[each] for each in rows), singles, doubles)
    asked = ["G00+G05", "G01+G02+G09"]
    row = members._rows(torch.from_numpy(vocabulary.encode(asked)))
    found = members.composed(row) @ members.basis
    np.testing.assert_allclose(found.numpy(), composer.predict(asked).effects, atol=1e-4)


def test_cells_and_tables_have_the_same_error_bars(screen):
    vocabulary, members = fitted(screen)
    singles = [label for label in screen.labels if "+" not in label]
    doubles = [label for label in screen.labels if "+" in label]
    rows = [[screen.row[label] for label in each] for each in (singles, doubles)]
    composer = gpjepa.compose.fit(*(screen.effects[each] for each in rows), singles, doubles)
    asked = ["G00+G05", "G01+G02+G09"]
    found = members.spread(torch.from_numpy(vocabulary.encode(asked))).numpy()
    np.testing.assert_allclose(found, composer.predict(asked).deviation, rtol=1e-3)


def test_without_doubles_sets_are_left_to_the_transformer(screen):
    singles = [row for row, label in enumerate(screen.labels) if "+" not in label]
    vocabulary, members = fitted(screen, rows=singles)
    assert members.stacked is None
    found = members(torch.from_numpy(vocabulary.encode(["G00+G01"])))
    assert found.composed.tolist() == [False]


def test_without_doubles_denoised_effects_are_asked_for_in_full(screen):
    singles = [row for row, label in enumerate(screen.labels) if "+" not in label]
    noise = np.random.default_rng(0).normal(scale=0.3, size=screen.effects.shape)
    noisy = type(screen)(screen.labels, screen.effects + noise)
    vocabulary, members = fitted(noisy, rows=singles)
    names = [screen.labels[row] for row in singles]
    found = members.target(torch.from_numpy(vocabulary.encode([*names[:3], "G00+G01"]))).numpy()
    expected = 0.9 * noisy.effects
    np.testing.assert_allclose(found[:3], expected[singles[:3]], atol=1e-4)
    pair = expected[[noisy.row["G00"], noisy.row["G01"]]].sum(axis=0)
    np.testing.assert_allclose(found[3], pair, atol=1e-4)


def test_too_few_singles_have_nothing_to_teach(screen):
    assert fitted(screen, rows=list(range(FEWEST_SINGLES - 1)))[1] is None


@pytest.mark.parametrize("known", [True, False])
def test_a_gene_without_cells_is_placed_by_features_or_not_at_all(screen, known):
    singles = [label for label in screen.labels if "+" not in label]
    kinds = np.eye(3)[np.arange(len(singles)) % 3]
    table = GeneFeatures((*singles, "NEW"), np.concatenate((kinds, kinds[:1])))
    vocabulary, members = fitted(screen, table if known else NOTHING, others=("NEW",))
    index = torch.from_numpy(vocabulary.encode(["NEW"]))
    assert members.places(index).tolist() == [[known]]
    if known:
        predicted = members.effects[members._rows(index)[0, 0]]
        alike = members.effects[members._rows(torch.from_numpy(vocabulary.encode(["G00"])))[0, 0]]
        assert torch.cosine_similarity(predicted, alike, dim=0) > 0.8
        assert bool(members.supported)


def test_pairs_inside_trained_combinations_are_told_by_their_names(screen):
    labels = ["G00", "G02+G01", "G00+G01+G03"]
    few = [screen.row[f"G{at:02d}"] for at in range(6)]
    vocabulary, _ = fitted(screen)
    found = fit_members(
        tuple(screen.labels[row] for row in few), screen.effects[few], screen.effects[few],
        np.arange(screen.effects.shape[1]), vocabulary, NOTHING, 6, 0, labels,
    )  # fmt: skip
    names = [vocabulary.members[at] for pair in found.trained.tolist() for at in pair]
    pairs = set(zip(names[::2], names[1::2], strict=True))
    assert pairs == {("G01", "G02"), ("G00", "G01"), ("G00", "G03"), ("G01", "G03")}
    asked = torch.from_numpy(vocabulary.encode(["G00+G02", "G01+G00"]))
    assert found.learned(asked).tolist() == [False, True]
