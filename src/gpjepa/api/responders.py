"""How many cells respond to a perturbation, and how strongly those do, as a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.stats import beta

from gpjepa.api.answers import averaged_over, canonical, effect_matrix
from gpjepa.api.populations import Start
from gpjepa.inference.error_model import require_level
from gpjepa.inference.means import control_shares
from gpjepa.model.mixture import responder_ratio

if TYPE_CHECKING:
    from pandas import DataFrame


def responder_table(
    start: Start, labels: Sequence[str] | str, level: float, seed: int
) -> DataFrame:
    """Return the fraction of responders of each label with its interval, and sizes of effects.

    `effect` is the length of the mean effect of all cells, `responder_effect` that of the cells
    that respond, over genes that control cells express and no training perturbation targets.
    `measured` says whether the fraction is from cells of this perturbation, or predicted from
    the others. A model without a mixture says 1. Raises `ConfigError` for a level outside (0, 1).
    """
    import pandas

    require_level(level)
    names = canonical(labels, start)
    fraction, low, high, measured = _fractions(start, names, level)
    few = averaged_over(start, seed, len(start.cells))
    control = control_shares(start.bundle.model, few.controls, start.offset)
    base = start.target * control.cpu().numpy().astype(np.float64)
    effects = effect_matrix(start, names, seed)
    ratio = np.expm1(np.log1p(base) + effects) / base
    own = responder_ratio(torch.from_numpy(ratio), torch.from_numpy(fraction)[:, None]).numpy()
    responding = np.log1p(base * own) - np.log1p(base)
    gated = start.expressed()
    gated = gated if gated.any() else np.ones(len(gated), dtype=bool)
    return pandas.DataFrame(
        {
            "perturbation": list(names),
            "fraction": fraction,
            "low": low,
            "high": high,
            "effect": np.linalg.norm(effects[:, gated], axis=1),
            "responder_effect": np.linalg.norm(responding[:, gated], axis=1),
            "measured": measured,
        }
    )


def _fractions(
    start: Start, names: Sequence[str], level: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return fraction, low and high of each label, and which were measured."""
    mixture = start.bundle.model.responders
    if mixture is None:
        one = np.ones(len(names))
        return one, one, one, np.zeros(len(names), dtype=bool)
    members = torch.from_numpy(start.bundle.vocabulary.encode(names)).to(mixture.prior.device)
    first, second = mixture.beliefs(members).double().cpu().numpy().T
    low, high = (beta.ppf(at, first, second) for at in ((1 - level) / 2, (1 + level) / 2))
    measured = (mixture.measured(members) >= 0).cpu().numpy()
    return first / (first + second), low, high, measured
