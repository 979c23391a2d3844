"""Which control cell a perturbed cell is predicted from: cells are destroyed, so none is given."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from gpjepa.core.errors import ConfigError, DataError, NumericError, unknown

Strata = NDArray[np.generic] | None  # batch or cell type of each cell


class Pairing(Protocol):
    """A rule that gives every perturbed cell a control cell."""

    name: ClassVar[str]

    def pair(
        self,
        control_features: NDArray[np.floating],
        perturbed_features: NDArray[np.floating],
        control_strata: Strata,
        perturbed_strata: Strata,
        rng: np.random.Generator,
    ) -> NDArray[np.int64]:
        """Return the index of a control cell for each perturbed cell."""

    def describe(self) -> dict[str, Any]:
        """Return what `from_description` needs to make this pairing again."""


@dataclass(frozen=True)
class RandomPairing:
    """Any control cell of the same stratum, each as likely."""

    name: ClassVar[str] = "random"

    def pair(
        self,
        control_features: NDArray[np.floating],
        perturbed_features: NDArray[np.floating],
        control_strata: Strata,
        perturbed_strata: Strata,
        rng: np.random.Generator,
    ) -> NDArray[np.int64]:
        """Return the index of a control cell for each perturbed cell.

        Features [N, F] and [M, F] are not looked at; a stratum without controls draws from all.
        """
        chosen = np.empty(len(perturbed_features), dtype=np.int64)
        for controls, perturbed in _by_stratum(
            control_strata, perturbed_strata, len(control_features), len(perturbed_features)
        ):
            chosen[perturbed] = controls[rng.integers(len(controls), size=len(perturbed))]
        return chosen

    def describe(self) -> dict[str, Any]:
        """Return what `from_description` needs to make this pairing again."""
        return {"name": self.name}


@dataclass(frozen=True)
class OptimalTransportPairing:
    """A control cell drawn from the row of an exact optimal-transport plan between minibatches.

    The cost is the squared Euclidean distance of the features, the weights are uniform.
    Source: Tong et al. 2024, Improving and generalizing flow-based generative models with
    minibatch optimal transport.
    """

    name: ClassVar[str] = "optimal-transport"
    batch: int = 256  # most cells of a plan, on either side

    def __post_init__(self) -> None:
        if self.batch < 1:
            raise ConfigError(
                f"pairing batch is {self.batch}; expected at least 1 cell; use for example 256"
            )

    def pair(
        self,
        control_features: NDArray[np.floating],
        perturbed_features: NDArray[np.floating],
        control_strata: Strata,
        perturbed_strata: Strata,
        rng: np.random.Generator,
    ) -> NDArray[np.int64]:
        """Return the index of a control cell for each perturbed cell.

        Features are [N, F] and [M, F]; a stratum without controls draws from all.

        Raises `NumericError` for features that are not finite.
        """
        for features in (control_features, perturbed_features):
            if not np.isfinite(features).all():
                raise NumericError(
                    "the features to pair by are not finite; expected numbers; check the encoder"
                )
        chosen = np.empty(len(perturbed_features), dtype=np.int64)
        for controls, perturbed in _by_stratum(
            control_strata, perturbed_strata, len(control_features), len(perturbed_features)
        ):
            shuffled = rng.permutation(perturbed)
            for start in range(0, len(shuffled), self.batch):
                rows = shuffled[start : start + self.batch]
                columns = rng.permutation(controls)[: self.batch]
                chosen[rows] = columns[
                    _drawn(perturbed_features[rows], control_features[columns], rng)
                ]
        return chosen

    def describe(self) -> dict[str, Any]:
        """Return what `from_description` needs to make this pairing again."""
        return {"name": self.name, **asdict(self)}


def from_description(description: dict[str, Any]) -> Pairing:
    """Return the pairing that `describe` described; raise `ConfigError` for an unknown one."""
    settings = {key: value for key, value in description.items() if key != "name"}
    name = str(description.get("name"))
    for kind in (RandomPairing, OptimalTransportPairing):
        if kind.name == name:
            return kind(**settings)
    names = [RandomPairing.name, OptimalTransportPairing.name]
    raise ConfigError(unknown("pairing", name, names, f"expected one of {', '.join(names)}"))


def _by_stratum(
    control_strata: Strata, perturbed_strata: Strata, n_controls: int, n_perturbed: int
) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Return the control and perturbed cells of each stratum that has perturbed ones."""
    if n_controls == 0:
        raise DataError(
            "0 control cells to pair with; expected at least one; check the split's controls"
        )
    everyone = np.arange(n_controls)
    if control_strata is None or perturbed_strata is None:
        return [(everyone, np.arange(n_perturbed))] if n_perturbed else []
    controls_at, perturbed_at = np.asarray(control_strata), np.asarray(perturbed_strata)
    if not all(np.issubdtype(strata.dtype, np.integer) for strata in (controls_at, perturbed_at)):
        controls_at, perturbed_at = controls_at.astype(str), perturbed_at.astype(str)
    controls, perturbed = _rows_of_levels(controls_at), _rows_of_levels(perturbed_at)
    levels = sorted(perturbed, key=str)
    return [(controls.get(level, everyone), perturbed[level]) for level in levels]


def _rows_of_levels(strata: NDArray[np.generic]) -> dict[Any, NDArray[np.int64]]:
    """Return the rows of each stratum, in order."""
    order = np.argsort(strata, kind="stable")
    levels, starts = np.unique(strata[order], return_index=True)
    return dict(zip(levels.tolist(), np.split(order, starts[1:]), strict=False))


def _drawn(
    perturbed: NDArray[np.floating], controls: NDArray[np.floating], rng: np.random.Generator
) -> NDArray[np.int64]:
    """Draw a control for each cell from the optimal-transport plan between uniform weights.

    Between as many cells as controls that is an assignment, which is found sooner and leaves
    nothing to draw. The numbers are drawn even so: all pairings see the same of a generator.
    """
    uniform = rng.random(len(perturbed))
    if len(perturbed) == len(controls):
        return linear_sum_assignment(cdist(perturbed, controls, "sqeuclidean"))[1]
    import ot

    cost = ot.dist(np.asarray(perturbed, dtype=np.float64), np.asarray(controls, dtype=np.float64))
    return _columns(np.asarray(ot.emd([], [], cost), dtype=np.float64), uniform)


def _columns(plan: NDArray[np.float64], uniform: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return a column of each row with probability proportional to the plan."""
    heights = np.cumsum(plan, axis=1)
    drawn = uniform * heights[:, -1]
    return np.asarray((heights <= drawn[:, None]).sum(axis=1), dtype=np.int64).clip(
        max=plan.shape[1] - 1
    )
