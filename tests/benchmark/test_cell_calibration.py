from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from gpjepa.benchmark.cell_calibration import (
    CELL_CALIBRATION,
    ENSEMBLE,
    HELD_OUT,
    LEVELS,
    PAIRS,
    coverages,
    ensemble,
    group_of,
    interval_scores,
    rows_of,
    scored,
)
from gpjepa.benchmark.held_out import trained
from gpjepa.benchmark.tasks import find_task
from gpjepa.core.config import Config
from gpjepa.core.errors import ConfigError
from gpjepa.data.perturbseq import read
from gpjepa.data.simulator import SimulationConfig, simulate
from gpjepa.data.simulator_config import CellsConfig, FreeConfig


def errors(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return errors [P, G] and their true standard deviations, which differ threefold."""
    rng = np.random.default_rng(seed)
    deviation = np.linspace(0.1, 0.3, 60)[:, None] * rng.uniform(0.5, 1.5, (60, 400))
    return rng.normal(0.0, deviation), deviation


def normal_halves(deviation: np.ndarray) -> dict[float, np.ndarray]:
    return {level: norm.ppf(0.5 + 0.5 * level) * deviation for level in LEVELS}


def test_right_error_bars_cover_spread_and_rank_and_beat_a_constant_width() -> None:
    error, deviation = errors()
    found = interval_scores(error, normal_halves(deviation), deviation)
    for level in LEVELS:
        assert found[f"coverage_{100 * level:.0f}"] == pytest.approx(level, abs=0.01)
    assert found["spread_skill"] == pytest.approx(1.0, abs=0.03)
    assert found["spearman_sd_error"] > 0.9
    assert found["interval_score_ratio"] < 0.9


def test_a_constant_width_is_no_better_than_itself_and_ranks_nothing() -> None:
    error, deviation = errors()
    flat = np.full_like(deviation, np.sqrt((deviation**2).mean()))
    found = interval_scores(error, normal_halves(flat), flat + 1e-9 * deviation)
    assert found["interval_score_ratio"] == pytest.approx(1.0, abs=0.01)


def test_error_bars_half_as_wide_are_overconfident() -> None:
    error, deviation = errors()
    found = interval_scores(error, normal_halves(deviation / 2), deviation / 2)
    assert found["spread_skill"] == pytest.approx(4.0, abs=0.2)
    assert coverages(error, normal_halves(deviation / 2))["coverage_90"] < 0.65


@pytest.mark.parametrize("members", [0, 1])
def test_an_ensemble_of_one_is_refused_before_anything_is_trained(members) -> None:
    with pytest.raises(ConfigError, match=f"an ensemble has {members} member; expected 2 or more"):
        ensemble(Config(), 0, "cpu", members)


def test_scores_of_a_model_are_named_after_its_cells_and_shown(config: Config) -> None:
    simulation = SimulationConfig(
        preset="free",
        cells=CellsConfig(control=200, perturbed=30, library_median=4000),
        free=FreeConfig(genes=40, perturbed=7, pairs=12, effect_sd=0.4),
    )
    adata, truth = simulate(simulation)
    data = read(adata, announce=False)
    split = data.split("unseen-combination", seed=0, fraction=0.3)
    model = trained(data, split, config, 0, "cpu")
    found = scored(PAIRS, model, split, truth)
    assert {group.split(": ")[0] for group in found["group"]} == {PAIRS}
    effects = found[found["group"] == group_of(PAIRS, HELD_OUT)].set_index("metric")["value"]
    assert 0.0 <= effects["coverage_50"] <= effects["coverage_90"] <= 1.0
    told = found[found["metric"] == "relative_error"]
    assert set(found.loc[found["metric"] == "l2_over_additive", "n"]) >= {len(split.test)}
    assert told["n"].sum() == len(split.test)
    shown = {(line.group, line.metric) for line in CELL_CALIBRATION.headlines}
    rows = set(zip(found["group"], found["metric"], strict=True))
    assert rows <= shown


def test_the_benchmark_is_known_by_name_and_its_rows_by_group() -> None:
    assert find_task("cell-calibration") is CELL_CALIBRATION
    rows = rows_of(HELD_OUT, ENSEMBLE, {"spread_skill": 1.5}, 15)
    assert rows[["group", "metric", "model", "value", "n"]].to_numpy().tolist() == [
        [HELD_OUT, "spread_skill", ENSEMBLE, 1.5, 15]
    ]
