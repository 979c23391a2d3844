"""Baselines fitted on what a split trains on."""

from __future__ import annotations

import anndata
import numpy as np
import pandas
import pytest
from scipy import sparse

import gpjepa
from gpjepa.data.perturbseq import PerturbSeq, read
from gpjepa.evaluation.baselines import NAMES
from gpjepa.evaluation.baselines_elsewhere import NAME

MEMBERS = ("G0", "G1", "G2", "G3")
PAIRS = tuple(f"{a}+{b}" for i, a in enumerate(MEMBERS) for b in MEMBERS[i + 1 :])


@pytest.fixture(scope="module")
def data() -> PerturbSeq:
    """Singles and pairs whose members double the rates of genes of their own, in two types."""
    rng = np.random.default_rng(0)
    blocks, labels, types = [], [], []
    for label in ("control", *MEMBERS, *PAIRS):
        for kind in ("B", "T"):
            rate = np.full(20, 1.0 if kind == "B" else 2.0)
            for member in label.split("+"):
                if member in MEMBERS:
                    start = 4 + 4 * MEMBERS.index(member)
                    rate[start : start + 4] *= 2.0
            number = 200 if label == "control" else 60
            blocks.append(rng.poisson(rate, size=(number, 20)))
            labels += [label] * number
            types += [kind] * number
    index = [f"c{number}" for number in range(len(labels))]
    obs = pandas.DataFrame(
        {"perturbation": labels, "cell_type": types, "total_counts": 300.0}, index=index
    )
    adata = anndata.AnnData(sparse.csr_matrix(np.vstack(blocks).astype(np.float32)), obs=obs)
    adata.var_names = [f"G{index}" for index in range(20)]
    return read(adata, announce=False)


def test_baselines_are_those_of_the_training_cells_and_controls(data):
    split = data.split("unseen-combination", seed=0, fraction=0.4)
    found = gpjepa.baselines(data, split)
    assert tuple(baseline.name for baseline in found) == NAMES
    parts = split.parts(data)
    allowed = set(data.cells[parts.train_controls])
    assert set(found[0].predict("control", 300).obs["control_cell"]) <= allowed
    named = {baseline.name: baseline for baseline in found}
    additive = named["additive"].effects(split.test)
    assert np.isfinite(additive).all()


def test_neither_test_cells_nor_the_truth_half_of_the_controls_reach_a_baseline(data):
    split = data.split("unseen-combination", seed=0, fraction=0.4)
    parts = split.parts(data)
    counts = data.counts.toarray()
    counts[np.concatenate((parts.test, parts.truth_controls))] += 7.0
    adata = data.to_anndata()
    adata.X = sparse.csr_matrix(counts)
    changed = read(adata, announce=False)
    for plain, other in zip(
        gpjepa.baselines(data, split), gpjepa.baselines(changed, split), strict=True
    ):
        np.testing.assert_array_equal(plain.effects(split.test), other.effects(split.test))


def test_predictions_of_a_baseline_go_through_a_file_into_the_evaluation(data, tmp_path):
    split = data.split("unseen-combination", seed=0, fraction=0.4)
    parts = split.parts(data)
    named = {baseline.name: baseline for baseline in gpjepa.baselines(data, split)}
    named["additive"].predict(split.test, cells=400).write_h5ad(tmp_path / "predicted.h5ad")
    held = np.concatenate((parts.test, parts.truth_controls))
    data.subset(held).to_anndata().write_h5ad(tmp_path / "observed.h5ad")
    kept = np.concatenate((parts.train, parts.train_controls))
    data.subset(kept).to_anndata().write_h5ad(tmp_path / "train.h5ad")
    report = gpjepa.evaluate(
        tmp_path / "predicted.h5ad",
        tmp_path / "observed.h5ad",
        train=tmp_path / "train.h5ad",
        name="written",
    )
    table = report.table[report.table["perturbation"] == "all"]
    scores = table[table["metric"] == "pearson_delta"].set_index("model")["value"]
    assert scores["written"] > 0.9
    assert scores["written"] == pytest.approx(scores["additive"], abs=0.05)


def test_a_context_left_out_is_predicted_from_its_own_controls_by_the_other_contexts(data):
    split = data.split("unseen-context", seed=0, context_column="cell_type")
    found = {baseline.name: baseline for baseline in gpjepa.baselines(data, split)}
    assert tuple(found) == (*NAMES, NAME)
    cells = found[NAME].predict(split.test[0], 50)
    assert set(cells.obs["cell_type"]) == {split.held_out_context}
    assert np.isfinite(found[NAME].effects(split.test)).all()
