"""Baselines in a context that was left out."""

from __future__ import annotations

import anndata
import numpy as np
import pandas
import pytest
from scipy import sparse

from gpjepa.core.errors import DataError, VocabularyError
from gpjepa.data.perturbseq import PerturbSeq, read
from gpjepa.evaluation.baselines import NAMES, fit_baselines
from gpjepa.evaluation.baselines_elsewhere import NAME, Elsewhere, controls_in
from gpjepa.evaluation.pseudobulk import pseudobulk

TARGET = 200.0
GENES = [f"G{index}" for index in range(12)]
BASES = {"B": 1.0, "NK": 2.0, "T": 4.0}
EFFECTS = {"B": 3.0, "NK": 2.0, "T": 5.0}  # factors on the first three genes


def screen(cells: dict[tuple[str, str], int], seed: int = 0) -> PerturbSeq:
    """Cell types with their own controls and their own effects of the perturbations."""
    rng = np.random.default_rng(seed)
    blocks, types, labels = [], [], []
    for (kind, label), number in cells.items():
        rate = np.full(12, 2.0)
        rate[6:] *= BASES[kind]
        for member in label.split("+"):
            if member.startswith("P"):
                start = 3 * int(member[1])
                rate[start : start + 3] *= EFFECTS[kind]
        blocks.append(rng.poisson(rate, size=(number, 12)))
        types += [kind] * number
        labels += [label] * number
    index = [f"c{number}" for number in range(len(labels))]
    obs = pandas.DataFrame(
        {"perturbation": labels, "cell_type": types, "total_counts": 200.0}, index=index
    )
    adata = anndata.AnnData(sparse.csr_matrix(np.vstack(blocks).astype(np.float32)), obs=obs)
    adata.var_names = GENES
    return read(adata, announce=False)


TRAIN = {
    ("B", "control"): 600,
    ("NK", "control"): 600,
    ("T", "control"): 600,
    ("B", "P0"): 900,
    ("NK", "P0"): 300,
    ("B", "P1"): 600,
}


@pytest.fixture(scope="module")
def data() -> PerturbSeq:
    return screen(TRAIN)


def fit(data: PerturbSeq, held_out: str = "T"):
    found = fit_baselines(
        data, target=TARGET, context_column="cell_type", held_out_context=held_out
    )
    return {baseline.name: baseline for baseline in found}


def test_effects_are_of_each_context_on_its_own_control_weighted_by_cells(data):
    effect = fit(data)[NAME].effects(["P0"])[0]
    up = [np.log1p(2.0 * EFFECTS[kind]) - np.log1p(2.0) for kind in ("B", "NK")]
    expected = (900 * up[0] + 300 * up[1]) / 1200
    np.testing.assert_allclose(effect[:3], expected, atol=0.06)
    np.testing.assert_allclose(effect[3:], 0.0, atol=0.1)  # types differ, effects do not


def test_every_baseline_starts_from_the_control_cells_of_the_context_left_out(data):
    own = data.cells[controls_in(data, "cell_type", "T")]
    for name, baseline in fit(data).items():
        if name == "linear":  # these perturbations are no genes: it has no embedding of them
            continue
        found = baseline.predict("P0", 40)
        assert set(found.obs["control_cell"]) <= set(own)
        assert set(found.obs["cell_type"]) == {"T"}


def test_the_predicted_state_is_the_held_out_control_with_the_effect_of_the_others(data):
    chosen = controls_in(data, "cell_type", "T")
    base = pseudobulk(data.counts[chosen], data.library[chosen], TARGET)
    baseline = fit(data)[NAME]
    cells = baseline.predict("P0", 6000)
    state = pseudobulk(cells.X.tocsr(), cells.obs["total_counts"].to_numpy(), TARGET)
    np.testing.assert_allclose(state - base, baseline.effects(["P0"])[0], atol=0.06)


def test_all_baselines_apply_to_what_another_context_measured(data):
    found = fit(data)
    assert tuple(found) == (*NAMES, NAME)
    for name, baseline in found.items():
        if name != "linear":
            assert np.isfinite(baseline.effects(["P0", "P1"])).all(), name
    mean = found[NAME].effects(["P0", "P1"])
    np.testing.assert_allclose(found["additive"].effects(["P0", "P1"]), mean)
    assert found["additive"].effects(["P0+P1"])[0] == pytest.approx(mean.sum(axis=0))


def test_what_no_other_context_measured_is_refused(data):
    baseline = fit(data)[NAME]
    assert np.isnan(baseline.effects(["P2"])).all()
    with pytest.raises(VocabularyError, match="'mean elsewhere' has no effect for 'P2'"):
        baseline.predict("P2")


def test_perturbed_cells_of_the_held_out_context_are_not_looked_at(data):
    more = screen({**TRAIN, ("T", "P0"): 500})
    without = Elsewhere.measure(more, "cell_type", "T", TARGET).table(more, np.zeros(12))
    fewer = more.subset(~((more.cell_type == "T") & (more.labels == "P0")))
    expected = Elsewhere.measure(fewer, "cell_type", "T", TARGET).table(fewer, np.zeros(12))
    np.testing.assert_array_equal(without.effects, expected.effects)


def test_a_context_without_controls_gives_no_effect_and_is_not_predicted_in():
    data = screen({("B", "control"): 50, ("NK", "P0"): 50, ("T", "control"): 50})
    assert tuple(fit(data)) == ("no change", NAME)
    assert np.isnan(fit(data)[NAME].effects(["P0"])).all()
    with pytest.raises(DataError, match="cell_type with control cells 'NK' is not known"):
        fit(data, "NK")


def test_the_note_says_which_contexts_the_effects_are_of(data):
    assert fit(data)[NAME].notes == ("cell_type other than T: B, NK",)
