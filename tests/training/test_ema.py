from __future__ import annotations

import pytest
import torch
from torch import nn

from gpjepa.training.ema import Following, make_teacher, momentum


def student() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))


def test_momentum_rises_from_its_start_to_one_along_half_a_cosine() -> None:
    values = [momentum(step, 100, 0.996) for step in range(101)]
    assert values[0] == pytest.approx(0.996)
    assert values[100] == 1.0
    assert values[50] == pytest.approx(0.998)
    assert values[25] == pytest.approx(1 - 0.004 * (1 + 2**-0.5) / 2)
    assert values == sorted(values)


def test_momentum_stays_one_beyond_the_schedule_and_without_one() -> None:
    assert momentum(500, 100, 0.9) == 1.0
    assert momentum(1, 0, 0.9) == 1.0


def test_a_teacher_is_a_copy_that_takes_no_gradient() -> None:
    own = student()
    teacher = make_teacher(own)
    assert all(not parameter.requires_grad for parameter in teacher.parameters())
    assert all(parameter.requires_grad for parameter in own.parameters())
    with torch.no_grad():
        own[0].weight.add_(1.0)
    assert not torch.equal(teacher[0].weight, own[0].weight)


def test_a_teacher_moves_by_one_minus_momentum_of_the_way_and_copies_buffers() -> None:
    own = student()
    teacher = make_teacher(own)
    with torch.no_grad():
        own[0].weight.add_(1.0)
        own[1].running_mean.fill_(5.0)
        own[1].num_batches_tracked.fill_(9)
    before = teacher[0].weight.clone()
    Following(teacher, own).move(0.75)
    expected = 0.75 * before + 0.25 * own[0].weight
    assert torch.allclose(teacher[0].weight, expected, rtol=0, atol=1e-7)
    assert torch.equal(teacher[1].running_mean, own[1].running_mean)
    assert int(teacher[1].num_batches_tracked) == 9


def test_a_teacher_at_momentum_one_stays_where_it_is() -> None:
    own = student()
    teacher = make_teacher(own)
    before = teacher[0].weight.clone()
    with torch.no_grad():
        own[0].weight.add_(1.0)
    Following(teacher, own).move(1.0)
    assert torch.equal(teacher[0].weight, before)


def test_a_student_and_a_teacher_that_differ_in_parameters_are_refused() -> None:
    small, large = nn.Linear(2, 2, bias=False), nn.Linear(2, 2)
    with pytest.raises(KeyError, match="bias"):
        Following(large, small).move(0.5)
    with pytest.raises(KeyError, match="bias"):
        Following(small, large).move(0.5)
