import itertools

import numpy as np
import pytest

from gpjepa.core.errors import ConfigError
from gpjepa.data.simulator_config import FreeConfig
from gpjepa.data.simulator_free import Mechanism, draw, free_blueprint, log_rate

NONE = float("nan")


def small(**settings: object) -> FreeConfig:
    return FreeConfig.model_validate(
        {"genes": 60, "perturbed": 6, "pairs": 10, "effect_sd": 0.3, **settings}
    )


def effect_of(config: FreeConfig, mechanism: Mechanism, *members: int) -> np.ndarray:
    return log_rate(config, mechanism, members, 0, NONE)


def test_pairs_are_additive_on_the_log_rate_unless_they_interact() -> None:
    config = small(interacting=0.5)
    mechanism = draw(config, 0)
    assert len(mechanism.interactions) == 5
    for pair in mechanism.pairs:
        both = effect_of(config, mechanism, *pair)
        alone = sum(effect_of(config, mechanism, member) for member in pair)
        expected = mechanism.interactions.get(pair, np.zeros(60))
        np.testing.assert_allclose(both - alone, expected, atol=1e-12)
        assert expected.any() == (pair in mechanism.interactions)


def test_the_perturbed_gene_itself_moves_by_the_target_effect() -> None:
    config = small(target_effect=1.5)
    mechanism = draw(config, 0)
    for member, position in enumerate(mechanism.perturbed):
        assert effect_of(config, mechanism, member)[position] == 1.5


def test_half_of_the_effect_is_reached_at_the_ec50() -> None:
    config = small(doses=(0.1, 1.0, 10.0), hill=2.0)
    mechanism = draw(config, 0)
    full = log_rate(config, mechanism, (2,), 0, NONE)
    half = log_rate(config, mechanism, (2,), 0, float(mechanism.ec50[2]))
    np.testing.assert_allclose(half, full / 2)


def test_the_two_orders_differ_by_twice_the_order_effect_and_average_to_none() -> None:
    config = small(sequences=3)
    mechanism = draw(config, 0)
    assert len(mechanism.order) == 3
    for pair, change in mechanism.order.items():
        forward = log_rate(config, mechanism, pair, 0, NONE, pair)
        backward = log_rate(config, mechanism, pair, 0, NONE, pair[::-1])
        np.testing.assert_allclose(forward - backward, 2 * change, atol=1e-12)
        neutral = log_rate(config, mechanism, pair, 0, NONE)
        np.testing.assert_allclose((forward + backward) / 2, neutral, atol=1e-12)


def test_contexts_change_expression_and_effects_and_the_first_is_the_reference() -> None:
    one, three = draw(small(), 4), draw(small(contexts=3), 4)
    np.testing.assert_array_equal(one.effects[0], three.effects[0])
    np.testing.assert_allclose(one.base[0], three.base[0])
    for first, second in itertools.combinations(range(3), 2):
        assert not np.allclose(three.base[first], three.base[second])
        assert not np.allclose(three.effects[first], three.effects[second])


def test_more_pairs_leave_the_single_effects_as_they_were() -> None:
    few, many = draw(small(pairs=2), 0), draw(small(pairs=15), 0)
    np.testing.assert_array_equal(few.effects, many.effects)
    np.testing.assert_array_equal(few.size, many.size)


def test_triples_do_what_their_pairs_do_added_and_change_nothing_else() -> None:
    plain, config = small(interacting=0.5), small(interacting=0.5, triples=7)
    mechanism = draw(config, 0)
    assert len(set(mechanism.triples)) == 7
    for name in ("effects", "base", "size"):
        np.testing.assert_array_equal(getattr(mechanism, name), getattr(draw(plain, 0), name))
    interacting = 0
    for triple in mechanism.triples:
        together = effect_of(config, mechanism, *triple)
        alone = sum(effect_of(config, mechanism, member) for member in triple)
        own = [mechanism.interactions.get(pair) for pair in itertools.combinations(triple, 2)]
        drawn = [change for change in own if change is not None]
        interacting += len(drawn) > 0
        np.testing.assert_allclose(together - alone, sum(drawn, np.zeros(60)), atol=1e-12)
    assert interacting
    profiles = free_blueprint(config, 0).profiles
    assert sum(label.count("+") == 2 for label in profiles["perturbation"]) == 7


def test_control_counts_fill_the_panel_share_and_weights_add_up_to_one() -> None:
    config = small(responders=(0.2, 0.9), contexts=2, doses=(1.0, 3.0), sequences=2)
    blueprint = free_blueprint(config, 0)
    profiles = blueprint.profiles
    control = (profiles["perturbation"] == "control").to_numpy()
    np.testing.assert_allclose(blueprint.rates[control].sum(axis=1), config.panel_share)
    groups = profiles.groupby(["perturbation", "cell_type", "dose"])["weight"].sum()
    np.testing.assert_allclose(groups.to_numpy(), 1.0)
    assert len(groups) == 2 * (1 + (6 + 10) * 2)


def test_members_of_a_program_share_its_genes_as_the_loadings_say() -> None:
    config = small(own_sd=0.0, target_effect=0.0, programs=2, perturbed=6)
    blueprint = free_blueprint(config, 0)
    mechanism = draw(config, 0)
    effects = mechanism.effects[0].copy()
    effects[:, mechanism.perturbed] = 0.0  # target genes follow no program
    loadings = blueprint.features.to_numpy()
    assert np.linalg.matrix_rank(effects) <= np.linalg.matrix_rank(loadings)
    assert np.linalg.matrix_rank(effects) > 0


def test_effects_that_exceed_a_cells_counts_are_refused() -> None:
    with pytest.raises(ConfigError, match="expected at most 1; lower the effect sizes"):
        free_blueprint(small(effect_sd=5.0, panel_share=0.9, program_genes=0.9), 0)
