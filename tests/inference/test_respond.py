from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.sparse import issparse

from gpjepa.core.errors import NumericError
from gpjepa.inference import respond as respond_module
from gpjepa.inference.means import encode_controls, mean_shares
from gpjepa.inference.respond import (
    Wanted,
    draw_sources,
    fit_library,
    respond,
    respond_each,
)
from gpjepa.model.mixture import SHARED, ResponderMixture
from gpjepa.model.perturbation import Condition
from gpjepa.model.sparse_counts import sparse_of


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_sources_use_each_control_once_before_any_is_used_again() -> None:
    often = np.bincount(draw_sources(7, 17, 0), minlength=7)
    assert often.sum() == 17
    assert set(often) == {2, 3}
    assert len(set(draw_sources(100, 40, 0))) == 40


def test_sources_repeat_for_a_seed_and_differ_between_seeds() -> None:
    one, again, other = (list(draw_sources(100, 40, seed)) for seed in (0, 0, 1))
    assert one == again
    assert one != other


@pytest.mark.parametrize("distribution", ["nb", "zinb"])
def test_a_population_is_raw_counts_with_the_library_of_its_controls(
    built, table, given, distribution
) -> None:
    source = draw_sources(len(table), 25, 0)
    drawn = respond(built(0, distribution).model, table, given(25, 0, 1), source, None, 0)
    assert issparse(drawn.counts)
    assert drawn.counts.format == "csr"
    assert drawn.counts.dtype == np.int32
    assert drawn.counts.shape == (25, 10)
    assert drawn.counts.data.min() > 0
    np.testing.assert_array_equal(drawn.library, table.library[source])
    np.testing.assert_array_equal(drawn.source, source)


def test_counts_of_a_cell_never_exceed_its_library(model, table, given) -> None:
    source = draw_sources(len(table), 400, 0)
    drawn = respond(model, table, given(400, 0), source, None, 0)
    sums = np.asarray(drawn.counts.sum(axis=1)).ravel()
    assert (sums <= drawn.library).all()
    assert sums.mean() > 0.3 * drawn.library.mean()


def test_without_a_rest_the_library_is_the_sum_of_the_counts_and_like_the_controls(
    built, table, given
) -> None:
    source = np.repeat(np.arange(len(table)), 100)
    model = built(has_rest=False).model
    drawn = respond(model, table, given(len(source), 0), source, None, 0)
    np.testing.assert_array_equal(drawn.library, np.asarray(drawn.counts.sum(axis=1)).ravel())
    wanted = table.library[source]
    error = (drawn.library - wanted).std() / np.sqrt(len(source))
    assert abs(drawn.library.mean() - wanted.mean()) < 4.0 * error < 0.05 * wanted.mean()


def test_a_population_repeats_for_a_seed_and_differs_between_seeds(model, table, given) -> None:
    source = draw_sources(len(table), 30, 0)
    one, again, other = (
        respond(model, table, given(30, 2), source, None, seed).counts.toarray()
        for seed in (0, 0, 1)
    )
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)


def test_the_mean_of_many_cells_agrees_with_mean_shares(model, table, given, room) -> None:
    per_control, cells = 250, len(table)
    source = np.repeat(np.arange(cells), per_control)
    drawn = respond(model, table, given(len(source), 0, 1), source, room, 0)
    controls = encode_controls(model, table)
    expected = mean_shares(model, controls, given(cells, 0, 1), 1, room, samples=400).numpy()
    counts, library = drawn.counts.toarray().astype(float), drawn.library
    assert (counts.sum(axis=1) < library).all()
    found = counts.sum(axis=0) / library.sum()
    residual = counts - library[:, None] * found
    error = residual.std(axis=0) / np.sqrt(len(source)) / library.mean()
    assert (np.abs(found - expected) < 4.5 * error).all()
    assert (error < 0.05 * expected).all()


def test_each_cell_answers_its_own_condition(model, table, given, room) -> None:
    half = 20_000
    source = np.zeros(2 * half, dtype=int)
    members = torch.cat((given(half, 0, 1).members, given(half, 1, 2).members))
    mixed = Condition(members, torch.zeros((2 * half, 0), dtype=torch.long))
    drawn = respond(model, table, mixed, source, room, 0).counts.toarray()
    alone = respond(model, table, given(half, 1, 2), source[:half], room, 1).counts.toarray()
    first, second, expected = drawn[:half].mean(0), drawn[half:].mean(0), alone.mean(0)
    error = np.sqrt(2.0 * alone.var(axis=0) / half)
    assert (np.abs(second - expected) < 4.5 * error).all()
    assert (np.abs(first - expected) > 9.0 * error).any()


def test_a_cell_without_perturbation_stays_its_control_where_the_decoder_fits_the_controls(
    model, table, given, quiet
) -> None:
    quiet(model)
    offset = encode_controls(model, table).offset(1e9)
    source = np.arange(len(table))
    drawn = respond(model, table, given(len(table), -1), source, offset, 0).counts.toarray()
    own = table.counts.toarray()
    assert np.abs(drawn - own).mean() < 0.15 * own.mean()
    np.testing.assert_allclose(drawn.mean(axis=0), own.mean(axis=0), rtol=0.05)


@pytest.mark.parametrize("members", [(0,), (0, 1)])
def test_a_cell_keeps_what_is_its_controls_own(model, table, given, quiet, members) -> None:
    quiet(model)
    offset = encode_controls(model, table).offset(1e9)
    source = np.arange(len(table))
    drawn = respond(model, table, given(len(table), *members), source, offset, 0).counts.toarray()
    own = table.counts.toarray()
    kept = [np.corrcoef(drawn[:, gene], own[:, gene])[0, 1] for gene in range(10)]
    strange = [np.corrcoef(drawn[:, gene], np.roll(own[:, gene], 1))[0, 1] for gene in range(10)]
    assert np.median(kept) > 0.5 > 0.3 > np.median(strange)


@pytest.mark.parametrize("distribution", ["nb", "zinb"])
@pytest.mark.parametrize("encoded", [True, False])
def test_populations_from_the_same_controls_are_what_each_is_alone(
    built, table, given, monkeypatch, distribution, encoded
) -> None:
    monkeypatch.setattr(respond_module, "ROWS", 32)  # several chunks
    model = built(0, distribution).model
    source = draw_sources(len(table), 70, 0)
    steering = torch.zeros(11)
    steering[3] = 1.0
    asked = [Wanted(given(70, 0, 1), 5), Wanted(given(70, 2), 6, steering)]
    states = encode_controls(model, table).state if encoded else None
    together = respond_each(model, table, asked, source, None, states)
    alone = [respond(model, table, x.condition, source, None, x.seed, x.steering) for x in asked]
    for one, other in zip(together, alone, strict=True):
        differ = (one.counts != other.counts).nnz / one.counts.nnz
        assert differ < 0.01 if encoded else differ == 0.0
    assert (together[0].counts != together[1].counts).nnz > 50


def test_controls_are_encoded_and_decoded_once_for_several_populations(
    model, table, given, monkeypatch
) -> None:
    encoded, decoded = [], []
    encode, read_once = model.encoder.forward, model.decoder.read_once
    monkeypatch.setattr(model.encoder, "forward", lambda *x: encoded.append(0) or encode(*x))
    monkeypatch.setattr(model.decoder, "read_once", lambda *x: decoded.append(0) or read_once(*x))
    asked = [Wanted(given(9, member), 0) for member in (0, 1, 2)]
    respond_each(model, table, asked, np.arange(9), None)
    assert (len(encoded), len(decoded)) == (1, 4)


def test_offsets_move_the_population(model, table, given) -> None:
    source = draw_sources(len(table), 400, 0)
    offset = torch.zeros(11)
    offset[3] = 2.0
    plain, moved = (
        respond(model, table, given(400, 0), source, shift, 0).counts.sum(axis=0)
        for shift in (None, offset)
    )
    ratio = np.asarray(moved).ravel() / np.asarray(plain).ravel()
    assert ratio[3] > 2.0
    assert np.delete(ratio, 3).max() < 1.1


def test_rates_that_are_not_finite_are_refused(model, table, given) -> None:
    with torch.no_grad():
        model.decoder.logits.bias[0] = float("nan")
    with pytest.raises(NumericError) as caught:
        respond(model, table, given(4, 0), np.arange(4), None, 0)
    assert "rates that are not finite; expected finite ones" in str(caught.value)
    assert "look at its history" in str(caught.value)


def fitted_to(counts, library, random) -> torch.Tensor:
    return fit_library(sparse_of(counts), library, random).dense()


def test_cells_within_their_library_are_left_as_they_are() -> None:
    counts = torch.tensor([[1.0, 2.0, 3.0], [0.0, 0.0, 0.0], [2.0, 0.0, 4.0]])
    fitted = fitted_to(counts, torch.tensor([6.0, 0.0, 100.0]), generator())
    assert torch.equal(fitted, counts)


def test_cells_beyond_their_library_are_thinned_until_it_holds_them() -> None:
    counts = torch.poisson(torch.full((2000, 3), 40.0), generator())
    library = torch.full((2000,), 100.0)
    fitted = fitted_to(counts, library, generator(1))
    assert bool((fitted.sum(dim=1) <= library).all())
    assert bool((fitted <= counts).all())
    fits = counts.sum(dim=1) <= library
    assert torch.equal(fitted[fits], counts[fits])
    assert float(fitted[~fits].sum(dim=1).mean()) > 94.0


def test_thinning_keeps_the_composition_of_a_cell() -> None:
    counts = torch.tensor([100.0, 40.0, 10.0, 0.0]).repeat(20_000, 1)
    fitted = fitted_to(counts, torch.full((20_000,), 60.0), generator(2))
    share = fitted.mean(dim=0) / fitted.sum(dim=1).mean()
    torch.testing.assert_close(share, counts[0] / 150.0, rtol=0.01, atol=0)


def test_a_library_of_nothing_keeps_nothing() -> None:
    assert float(fitted_to(torch.full((1, 3), 5.0), torch.zeros(1), generator()).sum()) == 0.0


@pytest.mark.parametrize("fraction", [0.0, 0.5, 1.0])
def test_what_control_cells_are_off_by_goes_off_responders_and_escapers(
    built, table, given, fraction: float
) -> None:
    model = built(has_rest=False).model
    if fraction < 1.0:
        belief = 1e6 * torch.tensor([[fraction, 1.0 - fraction]]).clamp_min(1e-9)
        model.responders = ResponderMixture(torch.tensor([[0]]), belief, belief[0], SHARED)
    source = np.repeat(np.arange(len(table)), 300)
    genes = model.decoder.genes
    standing = torch.zeros(genes)
    standing[: genes // 2] = 0.5
    wanted = [Wanted(given(len(source), 0), 3, standing=each) for each in (None, standing)]
    plain, moved = respond_each(model, table, wanted, source, torch.zeros(genes))
    share = [
        np.asarray(one.counts.sum(axis=0)).ravel() / one.library.sum() for one in (plain, moved)
    ]
    change = np.log(share[1] / share[0])
    assert np.abs(change[: genes // 2] - change[genes // 2 :].mean() - 0.5).max() < 0.1
    assert np.ptp(change[genes // 2 :]) < 0.1
