from __future__ import annotations

import dataclasses
import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gpjepa.model.gpjepa import WorldModel
from gpjepa.model.mixture import responder_ratio
from gpjepa.model.perturbation import Condition
from gpjepa.training.measured_effects import MeasuredEffects
from gpjepa.training.prepare import Annotated
from gpjepa.training.responder_effects import compose_responders, responder_effects
from gpjepa.training.responder_fit import fit_responders

FRACTION = 0.4
_spec = importlib.util.spec_from_file_location(
    "responder_cells", Path(__file__).with_name("test_responder_fit.py")
)
assert _spec is not None
assert _spec.loader is not None
made = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(made)
LABELS, VOCABULARY = made.LABELS, made.VOCABULARY


@pytest.fixture(scope="module")
def model() -> WorldModel:
    fitted = made.make_model()
    fitted.responders = fit_responders(fitted, made.make_prepared(fitted, FRACTION))
    return fitted


def true_changes(model: WorldModel) -> np.ndarray:
    """Return the log changes [P, G] of responders that cells are drawn with."""
    base = model.decoder.mean_shares(torch.zeros(1, 6))
    condition = Condition(
        torch.from_numpy(VOCABULARY.encode(LABELS)), torch.zeros((3, 0), dtype=torch.int64)
    )
    shifted = model.predict(torch.zeros(3, 6), condition).mean
    ratio = model.decoder.mean_shares(shifted) / base
    return np.log(responder_ratio(ratio, FRACTION).numpy())


def test_effects_are_those_of_the_cells_that_respond(model) -> None:
    data = made.make_prepared(model, FRACTION)
    found = responder_effects(model, data, data.training, LABELS)
    true = true_changes(model)
    assert found.labels == LABELS
    for row in range(len(LABELS)):
        slope = (found.effect[row] @ true[row]) / (true[row] @ true[row])
        assert slope == pytest.approx(1.0, abs=0.1)  # all cells together would give about .4
    standard = (found.effect - true) / np.hypot(found.error, found.control_error)
    assert 0.7 < standard.std() < 1.3
    np.testing.assert_allclose(found.cells, FRACTION * 120, rtol=0.15)


def test_controls_are_those_of_the_same_strata(model) -> None:
    data = made.make_prepared(model, FRACTION)
    plain = responder_effects(model, data, data.training, LABELS)
    # Half of the controls are of a batch without the other cells, with half of gene 0.
    controls = data.controls
    strata = (np.arange(len(controls.table)) % 2).astype(np.int64)
    counts = controls.table.counts.toarray()
    counts[strata == 1, 0] *= 0.5
    apart: Annotated = dataclasses.replace(
        controls,
        strata=strata,
        table=dataclasses.replace(controls.table, counts=type(controls.table.counts)(counts)),
    )
    data.controls = apart  # type: ignore[misc]
    found = responder_effects(model, data, data.training, LABELS)
    noise = 4.0 * np.hypot(found.control_error[0], plain.control_error[0])
    np.testing.assert_allclose(found.effect[:, 0], plain.effect[:, 0], atol=noise)
    assert np.log(1 / 0.75) > noise  # what controls of both batches would add


def test_members_are_fitted_to_all_sets_weighted_by_their_errors() -> None:
    labels = ("A", "B", "C", "A+B", "A+C")
    rng = np.random.default_rng(0)
    alone = rng.normal(scale=0.3, size=(3, 500))
    design = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [1, 0, 1]], dtype=float)
    error = np.where(np.arange(5) == 1, 0.5, 0.05)[:, None] * np.ones((1, 500))
    effect = design @ alone + error * rng.normal(size=error.shape)
    measured = MeasuredEffects(labels, effect, error, np.full(500, 0.01), np.full(5, 100))
    composition: Any = torch.nn.Identity()
    found = compose_responders(composition, measured, VOCABULARY)
    assert found is not None
    off = found.change.numpy() - alone
    # B is better known from A+B and A than from its own cells
    assert np.sqrt((off**2).mean(axis=1))[1] < 0.2
    # errors are of the size that is said, which allows for departures that these sets lack
    standard = off / np.sqrt(found.variance.numpy())
    assert np.all((standard.std(axis=1) > 0.3) & (standard.std(axis=1) < 1.1))
    assert compose_responders(None, measured, VOCABULARY) is None
