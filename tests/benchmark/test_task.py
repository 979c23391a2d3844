from __future__ import annotations

from gpjepa.benchmark.task import Headline, Part, Task, headlines


def test_the_loss_of_a_score_is_its_distance_from_the_best() -> None:
    assert Headline("doubles", "slope", "slope", 1.0).loss(1.25) == 0.25
    assert Headline("doubles", "l2", "L2", 0.0).loss(2.0) == 2.0


def test_a_part_is_found_by_its_name() -> None:
    parts = tuple(Part(name, lambda config, seed, device: None) for name in ("one", "two"))
    task = Task("made", "made up", (), parts, ())
    assert task.part("two") is parts[1]


def test_headlines_of_a_group_keep_their_order() -> None:
    found = headlines("doubles", ("l2", "L2 ↓", 0.0), ("slope", "slope", 1.0))
    assert [(each.group, each.metric, each.best) for each in found] == [
        ("doubles", "l2", 0.0),
        ("doubles", "slope", 1.0),
    ]
