import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch

from gpjepa.inference.error_bars import error_bars
from gpjepa.inference.evidence import Evidence
from gpjepa.planning.effects import EffectMap
from gpjepa.planning.goal import CellsGoal, LatentGoal, SignatureGoal
from gpjepa.planning.origin import Origin
from gpjepa.planning.population import PopulationObjective
from gpjepa.planning.risk import Doubt
from gpjepa.planning.scoring import MeanShiftObjective, Terms
from gpjepa.planning.shifts import Shifts

parts = Path(__file__).parent.parent / "inference" / "conftest.py"
made = SimpleNamespace(**runpy.run_path(str(parts)))
NAMES = ("A", "B", "C", "D")
CANDIDATES = np.arange(4)
SETS = np.array([[0, -1], [3, -1], [0, 1], [1, 3]])


def origin_and_doubt(evidence: Evidence | None = None) -> tuple[Origin, Doubt]:
    from dataclasses import replace

    from gpjepa.inference.means import Controls

    bundle = made.make_bundle()
    bundle = replace(bundle, calibration=replace(bundle.calibration, evidence=evidence))
    state = torch.randn(30, made.LATENT, generator=torch.Generator().manual_seed(0))
    shares = torch.full((made.GENES + 1,), 1 / (made.GENES + 1))
    controls = Controls(state, torch.full((30,), 100.0), shares, shares)
    covariates = torch.zeros((30, 0), dtype=torch.long)
    origin = Origin(bundle.model, controls, covariates, None, None, 100.0)
    return origin, Doubt(origin, bundle, NAMES)


def evidence() -> Evidence:
    rng = np.random.default_rng(0)
    each = [rng.normal(size=(2, made.GENES)) for _ in range(2)]
    small = [np.full((2, made.GENES), value) for value in (0.1, 0.2)]
    return Evidence(
        ("A", "B"),
        each[0],
        small[0],
        each[1],
        small[1],
        np.full(made.GENES, 0.01),
        np.zeros(made.GENES),
    )


def test_energies_rise_with_risk_by_their_error_bars_and_fall_where_it_is_below_zero() -> None:
    origin, doubt = origin_and_doubt()
    goal = LatentGoal(torch.linspace(-1.0, 1.0, made.LATENT))
    for kind in (MeanShiftObjective, PopulationObjective):
        scored = [
            kind(Shifts(origin, CANDIDATES), goal, terms=Terms(risk=risk), doubt=doubt)
            for risk in (-1.0, 0.0, 2.0)
        ]
        exploring, plain, averse = (each(SETS).energy for each in scored)
        bars = scored[0].error_bar(SETS)
        assert (bars > 0).all()
        np.testing.assert_allclose(plain - exploring, bars, rtol=1e-3, atol=1e-5)
        np.testing.assert_allclose(averse - plain, 2 * bars, rtol=1e-3, atol=1e-5)


def test_the_bar_of_one_genes_signature_is_that_of_the_gene() -> None:
    for own in (None, evidence()):
        origin, doubt = origin_and_doubt(own)
        goal = SignatureGoal({4: 1.0})
        scored = MeanShiftObjective(Shifts(origin, CANDIDATES), goal, doubt=doubt)
        effects = EffectMap(origin)(scored.latents(SETS)).detach().double().numpy()
        bundle = doubt.bundle
        labels = ("A", "D", "A+B", "B+D")
        bars = error_bars(bundle.model, bundle.vocabulary, bundle.calibration, labels, effects)
        np.testing.assert_allclose(scored.error_bar(SETS), bars.deviation[:, 4], rtol=1e-5)


def test_genes_err_together_as_training_effects_vary_together() -> None:
    """Two genes that always move alike give a difference without an error, a sum with all."""
    own = evidence()
    own.denoised[:, 5] = own.denoised[:, 4]
    _, doubt = origin_and_doubt(own)
    gradient = torch.zeros(1, made.GENES)
    gradient[0, 4], gradient[0, 5] = 1.0, -1.0
    effect = torch.zeros(1, made.GENES)
    single = np.array([[3]])
    apart = doubt._propagated(single, effect, gradient)
    gradient[0, 5] = 1.0
    together = doubt._propagated(single, effect, gradient)
    assert apart[0] < 0.3 * together[0]


def test_the_error_bar_of_an_energy_in_expression_needs_no_latent() -> None:
    origin, doubt = origin_and_doubt(evidence())
    goal = CellsGoal(torch.randn(5, made.LATENT), 0.3 * torch.randn(made.GENES))
    scored = MeanShiftObjective(Shifts(origin, CANDIDATES), goal, kind="expression", doubt=doubt)
    bars = scored.error_bar(SETS)
    assert np.isfinite(bars).all()
    assert (bars > 0).all()
