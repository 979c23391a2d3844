"""The true sources of spread of a simulated population."""

from __future__ import annotations

import json

import numpy as np

from gpjepa.core.random import numpy_stream
from gpjepa.core.total_variance import alike, variance_shares
from gpjepa.data.simulator_config import SimulationConfig
from gpjepa.data.simulator_truth import Truth


def true_spread(
    truth: Truth,
    label: str,
    genes: np.ndarray,
    cells: int = 4000,
    seed: int = 0,
    cell_type: str | None = None,
    dose: float | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the shares [4] of library, control, latent and counts, and their standard errors.

    As `inference.spread` has them, with what is known here: the control is a cell's state, batch
    and own rates (gamma factors of size θ), the latent which profile of the perturbation it
    follows, such as responding or not. Variances are of log1p(target · counts / library) on the
    columns `genes` [H].
    """
    config = SimulationConfig.model_validate(json.loads(truth.config)).cells
    rng = numpy_stream(seed, "true spread", label)
    library = np.maximum(
        1.0, np.rint(truth.target * np.exp(config.library_log_sd * rng.standard_normal(cells)))
    )[:, None]
    size = truth.size[genes]
    own = rng.standard_gamma(size, (cells, len(size))) / size
    own *= truth.states[rng.integers(0, len(truth.states), cells)][:, genes]
    own *= truth.batches[rng.integers(0, len(truth.batches), cells)][:, genes]
    rows = truth.rows(label, cell_type, dose)
    weight = truth.profiles["weight"].to_numpy(np.float64)[rows]
    profiles = [rng.choice(rows, cells, p=weight / weight.sum()) for _ in range(2)]
    first, second = (library * own * truth.rates[profile][:, genes] for profile in profiles)
    drawn, other_latent, other_counts = (
        np.log1p(rng.poisson(rate) * truth.target / library) for rate in (first, second, first)
    )
    same_library = drawn[alike(library[:, 0])]
    return variance_shares(drawn, (same_library, other_latent, other_counts))
