"""The form of predictions that cell-eval2 reads."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_matrix

from gpjepa.api.cell_eval import with_controls


def test_predicted_cells_come_first_and_real_controls_follow_with_its_default_names(model) -> None:
    predicted = model.predict(["C+D", "A"], cells=7)
    found = with_controls(predicted, model.controls, model.bundle.panel.names)
    controls = len(model.controls)
    assert found.n_obs == 14 + controls
    assert found.obs["target"].astype(str).tolist() == (
        ["C+D"] * 7 + ["A"] * 7 + ["non-targeting"] * controls
    )
    assert set(found.obs["perturbation"]) == {"C+D", "A", "control"}
    assert np.array_equal(found.X[:14].toarray(), predicted.X.toarray())
    assert np.array_equal(found.X[14:].toarray(), model.controls.table.counts.toarray())


def test_counts_are_integers_of_every_modelled_gene_and_cells_have_names_of_their_own(
    model,
) -> None:
    predicted = model.predict(["A"], cells=3)
    found = with_controls(predicted, model.controls, model.bundle.panel.names)
    assert isinstance(found.X, csr_matrix)
    assert found.X.dtype == np.int32
    assert tuple(found.var_names) == model.bundle.panel.names
    assert found.obs_names.is_unique
    assert (found.obs["total_counts"] >= found.X.sum(axis=1).A1).all()
