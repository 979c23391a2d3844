from __future__ import annotations

import pytest

from gpjepa.benchmark.task import Headline, Part, Task, headlines
from gpjepa.core.errors import ConfigError


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


def test_parts_are_chosen_by_name_or_its_end_and_the_reference_stays() -> None:
    names = ("cells, full", "cells, no JEPA", "cells, JEPA", "types, full", "types, no JEPA")
    parts = tuple(Part(name, lambda config, seed, device: None) for name in names)
    task = Task("made", "made up", (), parts, (), reference="full")

    def chosen(*only: str) -> list[str]:
        return [part.name for part in task.only(only).parts]

    assert chosen("no JEPA") == ["cells, full", "cells, no JEPA", "types, full", "types, no JEPA"]
    assert chosen("cells, JEPA") == ["cells, full", "cells, JEPA", "types, full"]
    with pytest.raises(ConfigError, match=r"no JEPAs.*closest: 'no JEPA'"):
        task.only(["no JEPAs"])
