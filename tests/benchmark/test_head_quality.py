from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
import torch

from gpjepa.benchmark import head_quality, head_targets
from gpjepa.benchmark.head_quality import (
    DIFFUSION,
    DISTANCE,
    FLOW,
    GAUSSIAN,
    HEADS,
    LOST,
    LOST_IN_ERRORS,
    RATIO,
    control_distance,
    few_against_many,
    fitted,
    known_targets,
    replicate_distance,
    score,
    simulation,
)
from gpjepa.benchmark.head_targets import LATENT, Latents, known_problem
from gpjepa.benchmark.tasks import find_task
from gpjepa.core.config import Config
from gpjepa.model.diffusion.head import DiffusionHead
from gpjepa.model.predictor import Prediction
from gpjepa.model.variational import RecognitionHead


class Fake:
    """A head that knows how the truth is drawn, the better the more it may evaluate."""

    def __init__(self, held: Mapping[str, Latents], blur: float = 0.0) -> None:
        self.held, self.blur, self.evaluations = held, blur, 20
        self.base = RecognitionHead(LATENT, 4)

    def sample(self, prediction: Prediction, generator: torch.Generator) -> torch.Tensor:
        found = next(x for x in self.held.values() if x.prediction is prediction)
        noise = torch.randn(found.latent.shape, generator=generator)
        return found.again + self.blur / self.evaluations * noise


@pytest.fixture(scope="module")
def held() -> Mapping[str, Latents]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(head_targets, "HELD_CELLS", 150)
        return known_problem("mixture", 0).unseen


def value(rows: object, metric: str, model: str) -> float:
    chosen = rows[(rows["metric"] == metric) & (rows["model"] == model)]
    return float(chosen["value"].iloc[0])


def test_the_truth_scores_the_ceiling_and_the_gaussian_head_does_not(
    held: Mapping[str, Latents],
) -> None:
    rows = score("here", {"truth": Fake(held)}, held, 0)  # type: ignore[dict-item]
    own = rows[rows["metric"] == DISTANCE].set_index("model")
    assert own.loc["truth", "value"] == pytest.approx(own.loc["truth", "ceiling"], rel=1e-9)
    assert own.loc["truth", "ceiling"] == pytest.approx(replicate_distance(held))
    assert own.loc["truth", "floor"] == pytest.approx(control_distance(held))
    assert own.loc[GAUSSIAN, "value"] > 1.5 * own.loc["truth", "value"]
    assert own.loc["truth", "value"] < 0.2 * own.loc["truth", "floor"]
    assert value(rows, RATIO, GAUSSIAN) == 1.0
    assert value(rows, RATIO, "truth") < 0.7
    assert set(rows["n"]) == {len(held)}


def test_a_head_that_gains_nothing_by_evaluations_loses_nothing(
    held: Mapping[str, Latents],
) -> None:
    heads = {"same": Fake(held), "blurred": Fake(held, blur=60.0)}
    rows = few_against_many("here", heads, held, 0)  # type: ignore[arg-type]
    assert value(rows, LOST, "same") == 0.0
    assert value(rows, LOST, "blurred") > 0.05
    assert value(rows, LOST_IN_ERRORS, "blurred") > 2.0
    assert heads["blurred"].evaluations == 20


def test_latents_without_a_known_truth_have_no_ceiling(held: Mapping[str, Latents]) -> None:
    bare = {label: Latents(x.prediction, x.latent) for label, x in held.items()}
    assert np.isnan(replicate_distance(bare))


def test_fitting_lowers_the_loss_and_marks_the_head() -> None:
    training = known_problem("mixture", 0).training
    torch.manual_seed(0)
    head = DiffusionHead(RecognitionHead(LATENT, 4), width=16, layers=1)
    fitted(head, training, 40, 5e-3, 0)
    assert bool(head.fitted)
    with torch.no_grad():
        loss = head.loss(training.prediction, training.latent, torch.Generator().manual_seed(0))
    assert float(loss) < 0.9


def test_a_part_scores_both_heads_on_conditions_seen_and_never_seen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(head_targets, "HELD_CELLS", 10)
    monkeypatch.setattr(head_quality, "MANY", 4)
    config = Config(head={"kind": "diffusion", "fitting_steps": 2, "evaluations": 2})
    rows = known_targets("gaussian")(config, 0, "cpu")
    assert set(rows["group"]) == {"gaussian, seen", "gaussian, never seen"}
    assert {GAUSSIAN, DIFFUSION, FLOW} == set(rows["model"])
    lost = rows[rows["metric"] == LOST]
    assert set(lost["model"]) == {DIFFUSION, FLOW}
    assert np.isfinite(rows["value"]).all()


def test_half_of_the_simulated_cells_respond() -> None:
    assert simulation(3).free.responders == (0.5, 0.5)
    assert simulation(3).seed == 3


def test_the_benchmark_is_found_by_its_name() -> None:
    assert find_task("heads") is HEADS
    known = {f"{part.name}, never seen" for part in HEADS.parts}
    assert {headline.group for headline in HEADS.headlines} == known
