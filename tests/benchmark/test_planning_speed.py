from __future__ import annotations

import numpy as np
import pytest

from gpjepa.api.model import GPJEPA
from gpjepa.benchmark import planning_speed
from gpjepa.benchmark.planning_speed import KEPT, LOOPED, MEAN, PLANNING_SPEED, TIMES, WHOLE, timed
from gpjepa.benchmark.task import MODEL
from gpjepa.data.perturbseq import read


@pytest.fixture(scope="module")
def model(tiny) -> GPJEPA:
    data = read(tiny.make_cells(), announce=False)
    made = GPJEPA(data, tiny.make_config(), tiny.make_split(data), device="cpu")
    made.fit()
    return made


def test_both_modes_are_timed_beside_a_loop_over_predict(model, monkeypatch) -> None:
    for name, value in (("TRIPLES", 10), ("POPULATIONS", 6), ("LOOP", 1)):
        monkeypatch.setattr(planning_speed, name, value)
    found = timed(model, 0).set_index(["group", "metric", "model"])["value"]
    assert (found > 0).all()
    for mode in (MEAN, WHOLE):
        ratio = found[mode, KEPT, MODEL] / found[mode, KEPT, LOOPED]
        assert found[mode, TIMES, MODEL] == pytest.approx(ratio)
    assert found[MEAN, KEPT, MODEL] > found[WHOLE, KEPT, MODEL] > found[WHOLE, KEPT, LOOPED]


def test_headlines_are_of_scores_that_the_part_returns(model) -> None:
    table = timed(model, 0)
    rows = set(zip(table["group"], table["metric"], strict=True))
    for headline in PLANNING_SPEED.headlines:
        assert (headline.group, headline.metric) in rows
        assert np.isfinite(headline.loss(1.0))
