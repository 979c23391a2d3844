from __future__ import annotations

import copy

import torch
from torch import nn

from gpjepa.model.gene_layer import GeneLinear


def both() -> tuple[GeneLinear, nn.Linear]:
    torch.manual_seed(3)
    own = GeneLinear(7, 4)
    torch.manual_seed(3)
    return own, nn.Linear(7, 4)


def test_it_starts_and_answers_as_a_linear_layer_does() -> None:
    own, expected = both()
    x = torch.randn(5, 7)
    assert torch.equal(own.weight, expected.weight)
    torch.testing.assert_close(own(x), expected(x))
    assert own.table.is_contiguous()


def test_it_is_saved_as_a_linear_layer_and_reads_what_one_saved() -> None:
    own, other = both()
    saved = own.state_dict()
    assert {name: value.shape for name, value in saved.items()} == {"weight": (4, 7), "bias": (4,)}
    with torch.no_grad():
        other.weight.mul_(2.0)
    held = nn.Sequential(copy.deepcopy(own))
    held.load_state_dict({f"0.{name}": value for name, value in other.state_dict().items()})
    assert torch.equal(held[0].weight, other.weight)
    assert not torch.equal(own.weight, other.weight)


def test_writing_to_what_is_saved_changes_the_layer() -> None:
    own, _ = both()
    own.state_dict()["weight"].fill_(5.0)
    assert bool((own.table == 5.0).all())
