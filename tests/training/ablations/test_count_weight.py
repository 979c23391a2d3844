from __future__ import annotations

import pytest

from gpjepa.core.config import Config
from gpjepa.training.ablations.count_weight import COUNT_WEIGHTS, weighed


@pytest.mark.parametrize("factor", COUNT_WEIGHTS)
def test_the_factor_is_on_the_counts_alone(factor: float) -> None:
    before, after = Config(), weighed(Config(), factor)
    assert after.loss.nb == pytest.approx(factor)
    assert after.loss.model_copy(update={"nb": before.loss.nb}) == before.loss
    assert after.model_copy(update={"loss": before.loss}) == before


def test_balanced_it_is_on_the_whole_bound_and_leaves_latent_terms_and_shares() -> None:
    before, after = (
        Config(loss={"shift": 0.3}).loss,
        weighed(Config(loss={"shift": 0.3}), 10.0, balanced=True).loss,
    )
    for name in ("nb", "kl", "shift", "interaction"):
        assert getattr(after, name) == pytest.approx(10 * getattr(before, name))
    for name in ("predict", "vicreg", "predictor_nb", "population"):
        assert getattr(after, name) == getattr(before, name)


def test_a_factor_of_one_is_the_full_model() -> None:
    assert weighed(Config(), 1.0) == Config() == weighed(Config(), 1.0, balanced=True)
