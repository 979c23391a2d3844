"""A small screen whose doubles interact by a rule that the singles decide."""

import itertools

import numpy as np
import pytest

from gpjepa.compose.members import Alone
from gpjepa.evaluation.effect_table import EffectTable

GENES = 12


@pytest.fixture(scope="session")
def screen():
    """Return a table of 14 singles and 60 doubles: .7 of the sum, shifted for alike members."""
    rng = np.random.default_rng(3)
    names = [f"G{index:02d}" for index in range(14)]
    kinds = rng.normal(size=(3, GENES)) * 2
    singles = kinds[np.arange(14) % 3] + rng.normal(size=(14, GENES)) * 0.4
    pairs = list(itertools.combinations(range(14), 2))
    chosen = [pairs[index] for index in rng.permutation(len(pairs))[:60]]
    shift = rng.normal(size=GENES) * 2
    doubles = np.array(
        [0.7 * (singles[a] + singles[b]) + shift * (a % 3 == b % 3) for a, b in chosen]
    )
    doubles += rng.normal(size=doubles.shape) * 0.05
    labels = (*names, *(f"{names[a]}+{names[b]}" for a, b in chosen))
    return EffectTable(labels, np.concatenate((singles, doubles)))


@pytest.fixture(scope="session")
def alone(screen):
    """Return the screen's singles, of which nothing is known beforehand."""
    names = tuple(label for label in screen.labels if "+" not in label)
    effects = screen.effects[[screen.row[name] for name in names]]
    return Alone(names, effects, np.zeros((len(names), 1)), np.ones(len(names), dtype=bool))
