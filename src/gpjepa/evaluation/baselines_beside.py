"""Which baselines stand beside a model: fitted on the training cells, or given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gpjepa.core.errors import DataError
from gpjepa.evaluation.baselines import Baseline, fit_baselines
from gpjepa.evaluation.pair import EvaluationPair

if TYPE_CHECKING:
    from gpjepa.data.feature_table import GeneFeatures


def baselines_beside(
    wanted: bool | Sequence[Baseline],
    pair: EvaluationPair,
    floors: Sequence[str],
    seed: int,
    features: GeneFeatures | None,
) -> tuple[Baseline, ...]:
    """Return the baselines to score: all that the training cells allow, or those given.

    True fits every one, False those that make the `floors`. Given ones are taken as they are;
    floors that are not among them are fitted and come first. Raises `DataError` when a given
    one has other genes than the pair, or genes in another order.
    """
    given = () if isinstance(wanted, bool) else tuple(wanted)
    for baseline in given:
        if baseline.genes != tuple(str(gene) for gene in pair.genes):
            raise DataError(
                f"baseline {baseline.name!r} has {len(baseline.genes)} genes, the observed cells "
                f"{len(pair.genes)}, or another order; expected the same genes in the same order; "
                "fit it on data of the genes that are scored"
            )
    names = {baseline.name for baseline in given}
    if wanted is not True and set(floors) <= names:
        return given
    fitted = fit_baselines(pair.train, target=pair.target, seed=seed, features=features)
    if wanted is True:
        return fitted
    return (*(each for each in fitted if each.name in floors and each.name not in names), *given)
