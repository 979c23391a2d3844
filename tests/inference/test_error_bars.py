from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from gpjepa.core.errors import ConfigError
from gpjepa.data.vocabulary import Vocabulary
from gpjepa.inference.calibration import COMBINATION, NOVEL, Calibration
from gpjepa.inference.error_bars import CONTROL_KIND, MEASURED, error_bars, explain, kind_of
from gpjepa.inference.error_model import believed
from gpjepa.inference.evidence import Evidence

G, INSIDE = 12, np.arange(9)
VOCABULARY = Vocabulary(("A", "B", "C", "N"), 3, frozenset({"C"}))


def evidence() -> Evidence:
    rng = np.random.default_rng(0)
    denoised = rng.normal(0.0, 0.3, (3, G))
    deviation = rng.uniform(0.05, 0.1, (3, G))
    noise = np.full(G, 0.01)
    return Evidence(
        ("A", "A+C", "B"), denoised + 0.1, deviation, denoised, deviation, noise, 0.0 * noise
    )


def model(spread: float = 0.3) -> SimpleNamespace:
    """Return a model whose composition expects sets to be off by `spread`."""

    def of(members: torch.Tensor) -> torch.Tensor:
        several = (members >= 0).sum(dim=1, keepdim=True) > 1
        return torch.where(several, spread, torch.nan).expand(-1, len(INSIDE))

    composition = SimpleNamespace(genes=torch.from_numpy(INSIDE), spread=of)
    return SimpleNamespace(predictor=SimpleNamespace(composition=composition))


def calibration() -> Calibration:
    return Calibration(
        {COMBINATION: replace(believed(), calibrated=True)}, {}, 9, True, True, evidence()
    )


@pytest.mark.parametrize(
    ("label", "kind"),
    [
        ("control", CONTROL_KIND),
        ("A", MEASURED),
        ("A+B", COMBINATION),
        ("A+C", NOVEL),
        ("N", NOVEL),
        ("A+N", NOVEL),
    ],
)
def test_a_label_is_of_the_kind_that_its_members_were_measured_in(label, kind) -> None:
    assert kind_of(label, VOCABULARY, evidence()) == kind


def test_a_measured_single_is_as_uncertain_as_its_denoised_effect_and_what_is_off_it() -> None:
    own = evidence()
    found = error_bars(
        model(), VOCABULARY, calibration(), ("A", "control"), own.denoised[[0, 0]] + 0.2
    )
    assert np.allclose(found.deviation[0], np.hypot(own.deviation[0], 0.2))
    assert np.allclose(
        found.half_widths(calibration(), 0.9)[0], 1.6449 * found.deviation[0], rtol=1e-4
    )
    assert not found.deviation[1].any()
    assert found.calibrated.all()


def test_a_combination_is_more_uncertain_where_its_composition_or_its_members_are() -> None:
    predicted = np.full((1, G), 0.5)
    little = error_bars(model(0.2), VOCABULARY, calibration(), ("A+B",), predicted)
    much = error_bars(model(0.6), VOCABULARY, calibration(), ("A+B",), predicted)
    assert (much.deviation > little.deviation).all()
    assert much.calibrated.tolist() == [True]
    components = explain(model(0.3), VOCABULARY, evidence(), ("A+B",), predicted).components
    doubt = evidence().doubt(("A+B",))[0]
    assert np.allclose(components[1, 0, INSIDE], 0.3**2 - 0.01 + doubt[INSIDE])


def test_small_effects_err_by_their_size_and_large_ones_by_what_is_expected() -> None:
    predicted = np.zeros((1, G))
    predicted[0, :2] = 1e-3, 100.0
    found = explain(model(), VOCABULARY, evidence(), ("A+B",), predicted).components
    mean = found[0, 0, 0]
    assert found[3, 0, 0] == pytest.approx(1e-3 * np.sqrt(mean), rel=1e-3)
    assert found[3, 0, 1] == pytest.approx(mean, rel=1e-3)


def test_a_gene_never_perturbed_and_predicted_to_do_nothing_is_as_uncertain_as_genes_respond() -> (
    None
):
    found = error_bars(model(), VOCABULARY, calibration(), ("N",), np.zeros((1, G)))
    assert (found.deviation > 0.1 * np.sqrt(evidence().response)).all()
    assert found.calibrated.tolist() == [False]


def test_without_evidence_or_composition_errors_are_of_the_size_of_the_effect() -> None:
    bare = SimpleNamespace(predictor=SimpleNamespace(composition=None))
    found = error_bars(
        bare, VOCABULARY, Calibration({}, {}, 0, False, False), ("A", "A+B"), np.full((2, G), 0.4)
    )
    assert ((found.deviation > 0.01) & (found.deviation < 0.8)).all()
    assert not found.calibrated.any()


def test_a_level_outside_the_unit_interval_is_refused() -> None:
    found = error_bars(model(), VOCABULARY, calibration(), ("A+B",), np.full((1, G), 0.5))
    with pytest.raises(ConfigError, match="level is 1.2"):
        found.half_widths(calibration(), 1.2)
