import numpy as np
import pytest
import torch

from gpjepa.model.effect_composition import EffectComposition, Known
from gpjepa.objectives.generative import negative_log_likelihood
from gpjepa.training.alignment import Alignment
from gpjepa.training.pipeline import seeded_world_model


def made(prepared, tiny):
    """Return an untrained model that knows every member alone, and what aligns it."""
    vocabulary, genes = prepared.vocabulary, np.arange(len(prepared.genes))
    singles = [label for label in prepared.observed.labels if "+" not in label]
    rows = [prepared.observed.labels.index(label) for label in singles]
    position = {label: row for row, label in enumerate(singles)}
    effects = torch.from_numpy(prepared.observed.effect[rows]).float()
    known = Known(
        torch.tensor([position.get(name, -1) for name in vocabulary.members]),
        effects,
        0.5 * effects,
        torch.zeros(len(rows), 1),
        torch.ones(len(rows), dtype=torch.bool),
        torch.eye(len(genes)),
        torch.from_numpy(genes),
    )
    config = tiny.make_config(predictor={"form": "composed"})
    model = seeded_world_model(prepared, config, 0).eval()
    model.predictor.composition = EffectComposition(known, None, config.encoder.latent, False)
    with torch.no_grad():
        model.decoder.logits.weight.mul_(10.0)
    target = prepared.moments.target
    return model, Alignment(prepared.controls, prepared.training.table, target)


@pytest.fixture(scope="module")
def aligned(prepared, tiny):
    """Return the model after alignment at the training controls."""
    model, align = made(prepared, tiny)
    align(model)
    return model


def effect_of(model, prepared, shift):
    """Return the decoded effect of one shift of the latent on all control cells."""
    counts, library = prepared.controls.table.dense(np.arange(len(prepared.controls.table)))
    with torch.no_grad():
        state = model.encoder(counts, library)
        weight, target = library / library.sum(), prepared.moments.target
        found = [
            torch.log1p(target * (weight @ model.decoder.mean_shares(at)))
            for at in (state + shift, state)
        ]
    return found[0] - found[1]


def test_the_readout_returns_the_shift_that_decodes_to_an_effect(aligned, prepared):
    torch.manual_seed(0)
    shift = 0.02 * torch.randn(aligned.predictor.composition.readout.shape[1])
    effect = effect_of(aligned, prepared, shift)
    found = effect @ aligned.predictor.composition.readout
    again = effect_of(aligned, prepared, found)
    assert torch.linalg.norm(again - effect) < 0.1 * torch.linalg.norm(effect)


def test_a_member_alone_decodes_to_its_denoised_effect(aligned, prepared):
    composition = aligned.predictor.composition
    index = torch.arange(3)
    shift = composition(index[:, None]).alone
    lacking = (composition.denoised - composition.own)[composition.row[index]]
    for row in range(3):
        reached = effect_of(aligned, prepared, shift[row])
        before = torch.linalg.norm(lacking[row])
        assert torch.linalg.norm(reached - lacking[row] @ composition.basis) < 0.9 * before


def test_widening_expresses_more_of_the_effects_and_keeps_the_cells(aligned, prepared, tiny):
    narrow, alignment = made(prepared, tiny)
    cells = prepared.training.table
    counts, library = cells.dense(np.arange(len(cells)))
    sets = torch.arange(len(aligned.predictor.composition.effects))[:, None]
    missing, likelihood = [], []
    with torch.no_grad():
        alignment._read(narrow, narrow.predictor.composition)
        for model in (narrow, aligned):
            start, composition = alignment._start(model, len(sets)), model.predictor.composition
            gap = composition.target(sets) - alignment._decode(model, start, sets).effect
            missing.append(float(gap.norm(dim=1).mean()))
            decoded = model.decoder(model.encoder(counts, library), library)
            likelihood.append(float(negative_log_likelihood(counts, decoded)))
    assert missing[1] < 0.8 * missing[0]
    assert likelihood[1] < likelihood[0] + 0.02 * abs(likelihood[0])


def test_own_effects_are_those_the_predictor_decodes(aligned, prepared):
    composition = aligned.predictor.composition
    assert torch.isfinite(composition.own).all()
    assert composition.own.abs().max() > 0
    assert not torch.equal(composition.own, composition.effects)


def test_many_members_share_the_cells_that_one_has(prepared, tiny):
    model, alignment = made(prepared, tiny)
    with torch.no_grad():
        few, many = (alignment._start(model, sets) for sets in (10, 10**6))
    assert len(many.state) < len(few.state)


def test_alignment_is_the_same_each_time(aligned, prepared, tiny):
    model, align = made(prepared, tiny)
    align(model)
    one, other = aligned.state_dict(), model.state_dict()
    assert all(torch.equal(value, other[name]) for name, value in one.items())


def test_a_model_without_composition_has_nothing_to_align(prepared, tiny):
    model = seeded_world_model(prepared, tiny.make_config(), 0)
    target = prepared.moments.target
    Alignment(prepared.controls, prepared.training.table, target)(model)
    assert model.predictor.composition is None
