from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gpjepa.api.interaction_ranking import rank
from gpjepa.api.interactions import gated
from gpjepa.api.populations import Start


def test_the_strongest_come_first_and_strength_is_size_over_doubt(ranked) -> None:
    assert sorted(ranked.combined.labels) == ["A+B", "A+C", "A+D", "B+C", "C+F"]
    assert (np.diff(ranked.strength) <= 0).all()
    size = np.sqrt((ranked.combined.interaction**2).mean(axis=1))
    assert ranked.strength == pytest.approx(size / ranked.half)


def test_top_is_the_head_of_the_list(start, ranked) -> None:
    few = rank(start, list(ranked.combined.labels), gated(start), 0.9, 2, 0)
    assert few.combined.labels == ranked.combined.labels[:2]
    assert few.names == ranked.names[:2]
    assert few.combined.interaction == pytest.approx(ranked.combined.interaction[:2], abs=1e-6)


def test_pairs_not_to_be_trusted_come_last_however_strong(model, ranked) -> None:
    strongest = ranked.combined.labels[0]
    doubted = frozenset(strongest.split("+")[:1])
    vocabulary = replace(model.bundle.vocabulary, in_combination_only=doubted)
    start = Start(replace(model.bundle, vocabulary=vocabulary), model.controls, None)
    found = rank(start, list(ranked.combined.labels), gated(start), 0.9, None, 0)
    trusted = [not doubted & set(label.split("+")) for label in found.combined.labels]
    assert trusted == sorted(trusted, reverse=True)
    assert False in trusted
    assert found.verdicts[-1] == "do not trust"
    assert found.half[-1] > ranked.half[0]
