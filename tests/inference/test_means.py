from __future__ import annotations

from copy import deepcopy

import pytest
import torch

from gpjepa.core.config import Config
from gpjepa.inference.means import (
    SAMPLES,
    Controls,
    control_shares,
    encode_controls,
    mean_shares,
    samples_of,
    shares_by_order,
)
from gpjepa.model.gpjepa import learned_head
from gpjepa.model.variational import DeterministicHead


@pytest.fixture
def controls(model, table) -> Controls:
    return encode_controls(model, table)


def test_controls_are_encoded_with_their_real_and_their_decoded_expression(
    model, table, controls
) -> None:
    counts, library = table.dense(slice(None))
    torch.testing.assert_close(controls.state, model.encoder(counts, library))
    assert torch.equal(controls.library, library)
    real = counts.sum(dim=0) / library.sum()
    torch.testing.assert_close(controls.shares[:-1], real)
    weight = (library / library.sum()).unsqueeze(1)
    decoded = (weight * model.decoder.log_shares(controls.state).exp()).sum(dim=0)
    torch.testing.assert_close(controls.decoded, decoded)


@pytest.mark.parametrize("has_rest", [True, False])
def test_real_and_decoded_shares_of_all_classes_sum_to_one(built, table, has_rest) -> None:
    model = built(has_rest=has_rest).model
    cells = table
    if not has_rest:
        sums = table.counts.sum(axis=1)
        cells = type(table)(table.counts, sums.A1 if hasattr(sums, "A1") else sums.ravel())
    found = encode_controls(model, cells)
    assert found.shares.shape == found.decoded.shape == (10 + has_rest,)
    assert float(found.shares.sum()) == pytest.approx(1.0, abs=1e-5)
    assert float(found.decoded.sum()) == pytest.approx(1.0, abs=1e-5)


def test_offsets_bring_decoded_controls_to_the_real_ones(model, controls) -> None:
    offset = controls.offset(float(controls.library.sum()))
    real = controls.shares[:-1]
    before = (control_shares(model, controls) / real).log().abs()
    after = (control_shares(model, controls, offset) / real).log().abs()
    assert float(before.max()) > 0.2
    assert float(after.max()) < 0.1 * float(before.max())


def test_offsets_allow_for_the_counts_that_zero_inflation_takes(built, table) -> None:
    model = built(0, "zinb").model
    with torch.no_grad():
        model.decoder.zero.bias.copy_(torch.linspace(-3.0, 0.0, 10))
    controls = encode_controls(model, table)
    counts, library = table.dense(slice(None))
    real = counts.sum(dim=0) / library.sum()
    made = control_shares(model, controls, controls.offset(float(library.sum())))
    torch.testing.assert_close(made, real, rtol=0.05, atol=0)


def test_an_offset_is_the_log_ratio_where_counts_are_many_and_nothing_where_they_are_none() -> None:
    shares, decoded = torch.tensor([0.2, 0.0, 0.8]), torch.tensor([0.4, 1e-6, 0.6])
    none = torch.zeros(0)
    own = Controls(none, none, shares, decoded)
    many = own.offset(1e4)
    assert many.tolist() == pytest.approx([-0.693, 0.0, 0.288], abs=0.03)
    assert own.offset(0.0).tolist() == [0.0, 0.0, 0.0]
    assert bool((own.offset(10.0).abs() <= own.offset(1e6).abs() + 1e-6).all())


def test_control_shares_are_decoded_from_every_control_by_library(model, controls) -> None:
    weight = (controls.library / controls.library.sum()).unsqueeze(1)
    expected = (weight * model.decoder.mean_shares(controls.state)).sum(dim=0)
    torch.testing.assert_close(control_shares(model, controls), expected)


def test_mean_shares_agree_with_the_average_over_many_latent_draws(model, controls, given) -> None:
    condition = given(len(controls.library), 0, 2)
    generator = torch.Generator().manual_seed(3)
    weight = controls.library / controls.library.sum()
    prediction = model.predict(controls.state, condition)
    draws = torch.stack(
        [
            weight @ model.decoder.mean_shares(model.head.sample(prediction, generator))
            for _ in range(400)
        ]
    )
    found = mean_shares(model, controls, condition, 0, samples=400)
    error = draws.std(dim=0) * (2.0 / 400) ** 0.5
    assert bool(((found - draws.mean(dim=0)).abs() < 4.5 * error).all())


def test_large_populations_are_averaged_in_parts_of_equal_weight(
    model, controls, given, quiet, monkeypatch
) -> None:
    quiet(model)
    condition = given(len(controls.library), 1)
    whole = mean_shares(model, controls, condition, 0), control_shares(model, controls)
    monkeypatch.setattr("gpjepa.inference.means.ROWS", 7)
    parts = mean_shares(model, controls, condition, 0), control_shares(model, controls)
    torch.testing.assert_close(whole[0], parts[0], rtol=0.02, atol=0)
    torch.testing.assert_close(whole[1], parts[1])


def test_mean_shares_repeat_for_a_seed_and_differ_between_seeds(model, controls, given) -> None:
    condition = given(len(controls.library), 0)
    one, again, other = (mean_shares(model, controls, condition, seed) for seed in (0, 0, 1))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_perturbations_share_their_latent_noise_so_that_their_difference_is_no_sampling(
    model, controls, given
) -> None:
    cells = len(controls.library)
    with torch.no_grad():
        for layer in ("first", "second", "log_variance"):
            getattr(model.predictor.transformer, layer).weight.zero_()
            getattr(model.predictor.transformer, layer).bias.zero_()
    one, other, nothing = (
        mean_shares(model, controls, given(cells, *members), 0) for members in ((0,), (1, 2), ())
    )
    torch.testing.assert_close(one, nothing)
    torch.testing.assert_close(other, nothing)


def test_without_spread_the_empty_set_is_the_decoded_control(model, controls, given, quiet) -> None:
    quiet(model)
    cells = len(controls.library)
    control = control_shares(model, controls)
    nothing = mean_shares(model, controls, given(cells), 0)
    perturbed = mean_shares(model, controls, given(cells, 0, 1), 0)
    torch.testing.assert_close(nothing, control, rtol=0.02, atol=0)
    assert float((perturbed / control).log().abs().max()) > 0.1


def test_shares_of_all_genes_sum_to_one_without_a_rest(built, table, given) -> None:
    model = built(has_rest=False).model
    controls = encode_controls(model, table)
    offset = torch.linspace(-1.0, 1.0, 10)
    found = mean_shares(model, controls, given(len(table), 0, 1), 0, offset)
    assert float(found.sum()) == pytest.approx(1.0, abs=1e-5)
    assert float(control_shares(model, controls, offset).sum()) == pytest.approx(1.0, abs=1e-5)


def test_shares_with_pair_shifts_are_the_mean_shares_and_those_without_lack_the_shift_alone(
    model, controls, given
) -> None:
    shift = torch.linspace(-1.0, 1.0, 6)
    with torch.no_grad():
        model.predictor.transformer.second.weight.zero_()
        model.predictor.transformer.second.bias.copy_(shift)
    condition = given(len(controls.library), 0, 1)
    whole, _ = shares_by_order(model, controls, condition, 0)
    torch.testing.assert_close(whole, mean_shares(model, controls, condition, 0))
    model.head = DeterministicHead()
    whole, plain = shares_by_order(model, controls, condition, 0)
    latent = controls.state + model.predict(controls.state, condition).first_order
    weight = controls.library / controls.library.sum()
    for found, mean in ((whole, latent + shift), (plain, latent)):
        torch.testing.assert_close(found, weight @ model.decoder.mean_shares(mean))


def test_without_pairs_both_shares_are_equal_as_their_noise_is(model, controls, given) -> None:
    for members in ((0,), ()):
        whole, plain = shares_by_order(model, controls, given(len(controls.library), *members), 0)
        assert torch.equal(whole, plain)


def test_shares_by_order_do_not_depend_on_how_the_rows_are_parted(
    model, controls, given, quiet, monkeypatch
) -> None:
    quiet(model)
    condition = given(len(controls.library), 0, 1)
    whole = shares_by_order(model, controls, condition, 0)
    monkeypatch.setattr("gpjepa.inference.means.ROWS", 7)
    for one, other in zip(whole, shares_by_order(model, controls, condition, 0), strict=True):
        torch.testing.assert_close(one, other, rtol=0.02, atol=0)


def test_a_head_that_costs_many_evaluations_draws_each_cell_once(model) -> None:
    assert samples_of(model) == SAMPLES
    config = Config(encoder={"latent": model.encoder.latent}).with_head("flow")
    other = deepcopy(model)
    other.head = learned_head(other.head, config)
    assert samples_of(other) == 1
