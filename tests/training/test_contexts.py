from __future__ import annotations

import numpy as np
import pytest
from anndata import AnnData
from pandas import DataFrame
from scipy.sparse import csr_matrix

from gpjepa.benchmark.contexts import context_split
from gpjepa.data.partition import Split
from gpjepa.data.perturbseq import PerturbSeq, read
from gpjepa.evaluation.pseudobulk import pseudobulk
from gpjepa.inference.contexts import Contexts
from gpjepa.training.contexts import FEWEST, context_role, fit_contexts
from gpjepa.training.measured_effects import measure_effects
from gpjepa.training.prepare import prepare

GENES, CELLS, TARGET = 60, 40, 1500.0


def screen(
    differ: float,
    contexts: int = 8,
    column: str = "cell_type",
    seed: int = 0,
    families: float = 0.7,
) -> PerturbSeq:
    """Return two families of contexts; effects differ between these by `differ`."""
    rng = np.random.default_rng(seed)
    base = rng.normal(2.5, 0.5, GENES)
    family, common = families * rng.normal(size=(2, GENES)), rng.normal(0.0, 0.5, (2, GENES))
    apart = differ * rng.normal(size=(2, 2, GENES))
    rows, labels, levels = [], [], []
    for at in range(contexts):
        own = base + family[at % 2] + rng.normal(0.0, 0.1, GENES)
        for code, label in enumerate(("ctrl", "K", "L")):
            rate = own if code == 0 else own + common[code - 1] + apart[at % 2, code - 1]
            rows.append(rng.poisson(np.exp(rate), (CELLS, GENES)))
            labels += [label] * CELLS
            levels += [f"type{at}"] * CELLS
    obs = DataFrame({"perturbation": labels, column: levels})
    obs.index = obs.index.astype(str)
    var = DataFrame(index=[f"gene{gene}" for gene in range(GENES)])
    counts = csr_matrix(np.concatenate(rows).astype(np.float32))
    return read(AnnData(counts, obs=obs, var=var), announce=False)


def fitted(data: PerturbSeq, split: Split) -> Contexts | None:
    parts = split.parts(data)
    inside = np.sort(np.concatenate((parts.train, parts.train_controls)))
    strata = np.unique(data.covariate(context_column(data)), return_inverse=True)[1]
    observed = measure_effects(
        data.counts[inside], data.library[inside], data.labels[inside], strata[inside], TARGET,
        ("K", "L"),
    )  # fmt: skip
    return fit_contexts(data, split, inside, observed, TARGET)


def context_column(data: PerturbSeq) -> str:
    return "cell_type" if data.cell_type is not None else "batch"


def without(data: PerturbSeq, level: str) -> Split:
    return context_split(data, context_column(data), level, 0)


def truth(data: PerturbSeq, level: str, label: str) -> np.ndarray:
    here = data.covariate(context_column(data)) == level
    return level_of(data, here & (data.labels == label)) - level_of(data, here & data.is_control)


def level_of(data: PerturbSeq, chosen: np.ndarray) -> np.ndarray:
    return pseudobulk(data.counts[chosen], data.library[chosen], TARGET)


def test_alike_contexts_tell_of_a_context_left_out() -> None:
    data = screen(0.6)
    found = fitted(data, without(data, "type0"))
    assert found.supported
    assert "type0" in found.levels  # its control cells train
    here = data.is_control & (data.covariate("cell_type") == "type0")
    departure, variance = found.predict("K", level_of(data, here))
    own = truth(data, "type0", "K")
    pooled = truth(data, "type1", "K") * 4 / 7 + truth(data, "type2", "K") * 3 / 7
    rows = [at for at in found.rows["K"] if found.levels[found.context[at]] == "type2"]
    assert np.linalg.norm(pooled + departure - own) < 0.4 * np.linalg.norm(pooled - own)
    assert np.corrcoef(departure, found.departure[rows[0]])[0, 1] > 0.9
    error = (pooled + departure - own) ** 2
    assert 0.2 < (error / (variance + 0.01)).mean() < 3.0


def test_where_effects_do_not_differ_the_mean_is_what_is_told() -> None:
    for seed in range(6):
        data = alike(seed)
        found = fitted(data, without(data, "type0"))
        here = data.is_control & (data.covariate("cell_type") == "type0")
        departure, _ = found.predict("K", level_of(data, here))
        assert np.linalg.norm(departure) < 0.1 * np.linalg.norm(truth(data, "type1", "K"))


def alike(seed: int) -> PerturbSeq:
    return screen(0.0, seed=seed, families=0.0)


def test_cells_of_the_context_left_out_have_no_part_in_it() -> None:
    data = screen(0.6)
    split = without(data, "type0")
    parts = split.parts(data)
    counts = data.counts.copy()
    for row in parts.test:
        counts.data[counts.indptr[row] : counts.indptr[row + 1]] = 1
    adata = data.to_anndata()
    adata.X = counts
    other = read(adata, announce=False)
    one, two = fitted(data, split), fitted(other, split)
    assert np.array_equal(one.departure, two.departure)
    assert np.array_equal(one.scale, two.scale)
    assert (one.reach, one.signal) == (two.reach, two.signal)


@pytest.mark.parametrize("column", ["cell_type", "batch"])
def test_contexts_are_cell_types_or_what_is_held_out_and_few_of_them_are_none(column) -> None:
    data = screen(0.6, column=column)
    split = without(data, "type0")
    assert context_role(data, split) == column
    assert fitted(data, split).column == column
    others = data.split("unseen-perturbation", seed=0)
    assert context_role(data, others) == ("cell_type" if column == "cell_type" else None)
    few = screen(0.6, contexts=FEWEST, column=column)
    assert fitted(few, without(few, "type0")) is None


def test_a_column_that_is_neither_has_no_contexts() -> None:
    data = screen(0.6)
    split = without(data, "type0")
    assert context_role(data, split) == "cell_type"
    other = Split(
        split.scheme, 0, split.train, split.validation, split.test, split.groups,
        split.truth_controls, context_column="donor", held_out_context="x",
    )  # fmt: skip
    assert context_role(data, other) is None


def test_preparation_fits_contexts(tiny) -> None:
    data = screen(0.6)
    made = prepare(data, without(data, "type0"), tiny.make_config(), None)
    assert made.contexts.supported
    assert set(made.contexts.labels) <= {"K", "L"}
