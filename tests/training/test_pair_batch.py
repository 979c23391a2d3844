from __future__ import annotations

from dataclasses import replace

import torch

from gpjepa.training.pair_batch import pairing_of

CPU = torch.device("cpu")


def shuffled_batch(stage, latent: int):
    """A batch whose targets are its controls' embeddings, shuffled within the groups."""
    batch = stage.batch(0, CPU)
    generator = torch.Generator().manual_seed(0)
    state = torch.randn(batch.counts.shape[0], latent, generator=generator)
    order = torch.arange(len(state))
    for group in range(int(batch.group.max()) + 1):
        rows = torch.nonzero(batch.group == group).squeeze(1)
        order[rows] = rows[torch.randperm(len(rows), generator=generator)]
    return batch, state, order


def test_transport_finds_the_pairing_of_least_squared_distance(tiny, prepared, make_stage) -> None:
    stage = make_stage(prepared, tiny.make_config())
    batch, state, order = shuffled_batch(stage, 8)
    found = pairing_of("optimal-transport")(batch, state, state[order] + 0.01)
    perturbed = batch.perturbation[batch.group] >= 0
    assert torch.equal(found[perturbed], order[perturbed])


def test_transport_stays_within_group_and_stratum(tiny, prepared, make_stage) -> None:
    stage = make_stage(prepared, tiny.make_config())
    batch, state, _ = shuffled_batch(stage, 8)
    batch = replace(batch, stratum=torch.arange(len(state)) % 3)
    seen = torch.randn(len(state), 8, generator=torch.Generator().manual_seed(1))
    order = pairing_of("optimal-transport")(batch, state, seen)
    assert sorted(order.tolist()) == list(range(len(state)))
    assert not torch.equal(order, torch.arange(len(state)))
    assert torch.equal(batch.group[order], batch.group)
    assert torch.equal(batch.stratum[order], batch.stratum)


def test_random_pairing_stays_within_group_and_leaves_controls_their_own_target(
    tiny, prepared, make_stage
) -> None:
    batch, state, order = shuffled_batch(make_stage(prepared, tiny.make_config()), 8)
    first = torch.arange(len(batch.perturbation)) == 0
    batch = replace(batch, perturbation=torch.where(first, -1, 1))
    found = pairing_of("random")(batch, state, state[order])
    own = batch.perturbation[batch.group] < 0
    assert torch.equal(found[own], torch.arange(len(state))[own])
    assert torch.equal(batch.group[found], batch.group)
    assert not torch.equal(found, torch.arange(len(state)))
