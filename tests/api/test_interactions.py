from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

from gpjepa.api import interactions as module
from gpjepa.api.answers import effect_matrix
from gpjepa.api.interactions import (
    combine,
    gated,
    half_widths,
    interaction_table,
    most_expressed,
    not_measured_alone,
)
from gpjepa.api.populations import Start
from gpjepa.core.errors import ConfigError, VocabularyError
from gpjepa.model.effect_composition import Shifts
from gpjepa.model.variational import DeterministicHead


def changed(model, first: float = 1.0, second: torch.Tensor | None = None) -> Start:
    """Return a start whose first-order shifts are scaled and whose pair shift is `second`."""
    own = copy.deepcopy(model.bundle.model)
    with torch.no_grad():
        own.predictor.transformer.first.weight.mul_(first)
        own.predictor.transformer.first.bias.mul_(first)
        own.predictor.transformer.second.weight.zero_()
        own.predictor.transformer.second.bias.zero_()
        if second is not None:
            own.predictor.transformer.second.bias.copy_(second)
    return Start(replace(model.bundle, model=own), model.controls, None)


@pytest.fixture(scope="module")
def start(model) -> Start:
    return Start(model.bundle, model.controls, None)


def test_without_pair_shifts_nothing_interacts_and_every_pair_is_additive(model) -> None:
    table = interaction_table(changed(model), ["A+B", "A+B+C"], 0.9, 0)
    assert (table.interaction == 0.0).all()
    assert (table.effect != 0.0).any()
    assert set(table[table.perturbation == "A+B"]["class"]) == {"additive"}
    assert set(table[table.perturbation == "A+B+C"]["class"]) == {""}


def test_a_pair_shift_by_hand_gives_the_difference_of_what_it_decodes_to(model) -> None:
    shift = torch.linspace(-2.0, 2.0, 8)
    start = changed(model, first=0.0, second=shift)
    start.bundle.model.head = DeterministicHead()
    start.bundle.model.predictor.composition = None
    found = combine(start, ["A+B", "A+B+C"], 0)
    state, offset = start.controls.state, start.offset
    weight = start.controls.library / start.controls.library.sum()
    decode = start.bundle.model.decoder.mean_shares
    level = [
        torch.log1p(start.target * (weight @ decode(z, offset))) for z in (state, state + shift)
    ]
    expected = (level[1] - level[0]).numpy()
    assert np.abs(expected).max() > 0.05
    assert found.interaction[0] == pytest.approx(expected, abs=1e-5)
    assert found.effect[0] == pytest.approx(expected, abs=1e-5)
    assert np.abs(found.additive).max() < 1e-5
    three = torch.log1p(start.target * (weight @ decode(state + 3.0 * shift, offset)))
    assert found.interaction[1] == pytest.approx((three - level[0]).numpy(), abs=1e-5)


def test_the_order_of_members_is_irrelevant(model) -> None:
    one, other = model.interactions("C+D"), model.interactions("D;C")
    assert one.equals(other)


def test_effects_beside_interactions_are_those_of_effects(model, start) -> None:
    table = model.interactions(["A+B", "B+D"])
    assert list(table.columns[:6]) == [
        "perturbation",
        "gene",
        "interaction",
        "low",
        "high",
        "class",
    ]
    told = model.effects(["A+B", "B+D"])
    assert (table.perturbation.tolist(), table.gene.tolist()) == (
        told.perturbation.tolist(),
        told.gene.tolist(),
    )
    assert table.effect.to_numpy() == pytest.approx(told.effect.to_numpy(), abs=1e-6)
    assert table.verdict.tolist() == told.verdict.tolist()
    single = dict(zip("AB", effect_matrix(start, ["A", "B"], 0), strict=True))
    first = table[table.perturbation == "A+B"]
    assert first.additive.to_numpy() == pytest.approx(single["A"] + single["B"])
    assert first.departure.to_numpy() == pytest.approx((first.effect - first.additive).to_numpy())


def test_intervals_are_wider_than_those_of_effects_by_the_noise_of_the_sum(model, start) -> None:
    table = model.interactions(["A+B", "A+B+C"], level=0.5)
    effects = model.effects(["A+B", "A+B+C"], level=0.5)
    noise = model.bundle.calibration.evidence.error_of_sums(("A+B", "A+B+C")).ravel()
    half = ((effects.high - effects.low) / 2).to_numpy()
    expected = np.sqrt(half**2 + 0.6745**2 * module.NOT_KEPT * noise)
    for width in (table.high - table.interaction, table.interaction - table.low):
        assert width.to_numpy() == pytest.approx(expected, rel=1e-3)
    assert not table.calibrated.any()
    few = np.arange(3)
    part = half_widths(start, combine(start, ["A+B"], 0, few), 0.5, few)
    assert part.shape == (1, 3)
    assert (part > 0).all()
    with pytest.raises(ConfigError, match="level is 1.0"):
        model.interactions("A+B", level=1.0)


def test_members_without_cells_in_which_they_act_alone_are_named(model) -> None:
    together = replace(model.bundle.vocabulary, in_combination_only=frozenset({"B", "C"}))
    doubted = Start(replace(model.bundle, vocabulary=together), model.controls, None)
    assert not_measured_alone(doubted, "A+B+C") == ("B", "C")


def test_combinations_are_the_same_in_one_batch_as_in_several(start, monkeypatch) -> None:
    labels = ["A+B", "A+B+C", "C+D"]
    whole = combine(start, labels, 0)
    monkeypatch.setattr(module, "ROWS", len(start.cells))
    parted = combine(start, labels, 0)
    assert parted.interaction == pytest.approx(whole.interaction, abs=1e-5)
    assert parted.effect == pytest.approx(whole.effect, abs=1e-5)


@pytest.mark.parametrize("labels", ["A", "control", ["A+B", "C"], "ctrl+A"])
def test_what_is_no_combination_is_refused(model, labels) -> None:
    with pytest.raises(VocabularyError, match="is no combination; expected two members or more"):
        model.interactions(labels)


def test_unknown_repeated_and_no_members_are_refused(model) -> None:
    for nothing in ([], ""):
        with pytest.raises(VocabularyError):
            model.interactions(nothing)
    with pytest.raises(VocabularyError, match="'Q' is not known"):
        model.interactions("A+Q")
    with pytest.raises(VocabularyError, match="names 'A' twice"):
        model.interactions("A+A")


def test_a_predictor_without_pair_shifts_has_the_departure_as_interaction(model) -> None:
    start = changed(model)
    start.bundle.model.predictor.form = "free"
    found = combine(start, ["A+B"], 0)
    assert np.array_equal(found.interaction, found.effect - found.additive)
    assert np.abs(found.interaction).max() > 0


class Composed(torch.nn.Module):
    """A composition that says 1 for every member and −.5 for what A does with another."""

    genes = torch.tensor([2, 7])

    def composes(self, members: torch.Tensor) -> torch.Tensor:
        return (members == 0).any(dim=1)

    def own_effects(self, members: torch.Tensor) -> torch.Tensor:
        return (members >= 0).sum(dim=1, keepdim=True).float().expand(-1, 2)

    def departure(self, members: torch.Tensor) -> torch.Tensor:
        return -0.5 * self.composes(members)[:, None].float().expand(-1, 2)

    def places(self, members: torch.Tensor) -> torch.Tensor:
        return torch.zeros_like(members, dtype=torch.bool)

    def learned(self, pairs: torch.Tensor) -> torch.Tensor:
        return torch.ones(len(pairs), dtype=torch.bool)

    def forward(self, members: torch.Tensor) -> Shifts:
        none = torch.zeros(len(members), 8)
        return Shifts(none, none, self.composes(members))


def test_a_composition_says_itself_what_members_do_alone_and_beyond(model) -> None:
    plain, start = changed(model), changed(model)
    plain.bundle.model.predictor.composition = None
    start.bundle.model.predictor.composition = Composed()
    before, found = (combine(each, ["A+B", "C+D"], 0) for each in (plain, start))
    others = np.setdiff1d(np.arange(found.effect.shape[1]), [2, 7])
    assert found.interaction[0, [2, 7]].tolist() == [-0.5, -0.5]
    assert found.additive[0, [2, 7]].tolist() == [2.0, 2.0]
    assert found.additive[0, others] == pytest.approx(before.additive[0, others])
    assert not found.interaction[0, others].any()
    assert np.array_equal(found.interaction[1], before.interaction[1])
    assert np.array_equal(found.additive[1], before.additive[1])


def test_chosen_genes_are_columns_of_the_whole_and_progress_is_told(start) -> None:
    told: list[tuple[int, int]] = []
    genes = np.array([2, 7, 11])
    whole = combine(start, ["A+B", "C+D"], 0)
    few = combine(start, ["A+B", "C+D"], 0, genes, watch=lambda *step: told.append(step))
    assert told == [(1, 2), (2, 2)]
    assert np.array_equal(few.interaction, whole.interaction[:, genes])
    assert np.array_equal(few.additive, whole.additive[:, genes])


def test_classes_are_judged_on_expressed_genes_that_nothing_perturbs(start, monkeypatch) -> None:
    names, mean = np.array(start.bundle.panel.names), start.cells.table.counts.mean(axis=0)
    mean = np.asarray(mean).ravel()
    genes = gated(start)
    assert set(names[genes]) == {
        x for x, m in zip(names, mean, strict=True) if "gene" in x and m >= 0.1
    }
    monkeypatch.setattr(module, "MOST_GENES", 4)
    assert set(mean[genes][most_expressed(start, genes)]) == set(np.sort(mean[genes])[-4:])
