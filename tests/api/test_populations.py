from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch

from gpjepa.api.populations import Start, anchored, condition_of, to_anndata
from gpjepa.core.errors import ConfigError
from gpjepa.data.vocabulary import Vocabulary
from gpjepa.inference.means import control_shares
from gpjepa.inference.respond import Population


def test_a_condition_holds_members_levels_and_dose() -> None:
    vocabulary = Vocabulary(("A", "B"), 2, covariates={"batch": ("x", "y")}, dose=True)
    levels = np.array([[0], [1]])
    found = condition_of(vocabulary, ["A+B", "control"], levels, 5.0)
    assert found.members.tolist() == [[0, 1], [-1, -1]]
    assert found.covariates.tolist() == [[0], [1]]
    assert found.dose.tolist() == [5.0, 5.0]
    assert condition_of(vocabulary, ["A"], levels[:1], None).dose.tolist() == [1.0]
    plain = Vocabulary(("A", "B"), 2)
    assert condition_of(plain, ["A"], np.zeros((1, 0), int), 5.0).dose is None


def test_a_dose_that_the_model_cannot_take_is_refused(model) -> None:
    with pytest.raises(ConfigError, match="dose is 5.0, but the model was trained without doses"):
        Start(model.bundle, model.controls, 5.0)
    dosed = replace(model.bundle, vocabulary=replace(model.bundle.vocabulary, dose=True))
    assert Start(dosed, model.controls, 5.0).dose == 5.0
    for wrong in (-1.0, float("nan")):
        with pytest.raises(ConfigError, match="expected a number of at least 0"):
            Start(dosed, model.controls, wrong)


def test_anchoring_makes_decoded_controls_match_the_real_ones(model) -> None:
    controls, offset = anchored(model.bundle, model.controls)
    real = controls.shares[: len(model.bundle.panel.names)]
    plain = control_shares(model.bundle.model, controls)
    fitted = control_shares(model.bundle.model, controls, offset)
    assert float((fitted - real).abs().sum()) < 0.35 * float((plain - real).abs().sum())


def test_controls_are_encoded_once_until_weights_or_cells_change(model) -> None:
    bundle = replace(model.bundle, model=deepcopy(model.bundle.model))
    cells = model.controls.take(np.arange(20))
    first, offset = anchored(bundle, cells)
    assert anchored(bundle, cells)[0] is first
    assert torch.equal(anchored(model.bundle, cells)[0].state, first.state)
    assert anchored(bundle, model.controls.take(np.arange(20)))[0] is not first
    anchored(bundle, cells)
    for weight in (bundle.model.encoder.embed.weight, bundle.model.decoder.logits.bias):
        before = anchored(bundle, cells)
        with torch.no_grad():
            weight.mul_(0.5)
        after = anchored(bundle, cells)
        assert after[0] is not before[0]
        assert not torch.equal(after[1], before[1])
    bundle.model.load_state_dict(model.bundle.model.state_dict())
    again = anchored(bundle, cells)
    assert torch.equal(again[0].state, first.state)
    assert torch.equal(again[1], offset)


def test_populations_are_joined_in_order_with_the_covariates_of_their_controls(model) -> None:
    from scipy.sparse import csr_matrix

    genes = model.bundle.panel.names
    controls = model.controls
    parts = []
    for label, rows in (("B", [3, 1]), ("A", [2])):
        source = np.array(rows)
        counts = controls.table.counts[source].astype(np.int32)
        parts.append((label, Population(counts, controls.table.library[source], source)))
    found = to_anndata(parts, controls, genes)
    assert found.obs["perturbation"].astype(str).tolist() == ["B", "B", "A"]
    assert found.obs["control_cell"].tolist() == [str(controls.names[i]) for i in (3, 1, 2)]
    assert np.array_equal(found.X.toarray(), controls.table.counts[[3, 1, 2]].toarray())
    assert isinstance(found.X, csr_matrix)
    assert tuple(found.var_names) == genes


def test_the_target_is_the_median_library_of_the_controls_at_hand(model) -> None:
    few = model.controls.take(np.array([0, 1, 2]))
    start = Start(model.bundle, few, None)
    assert start.target == float(np.median(few.table.library))
    condition = start.condition(["A", "B"], np.array([0, 2]))
    assert torch.equal(condition.members, torch.tensor([[0], [1]]))
