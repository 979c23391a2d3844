from __future__ import annotations

import numpy as np
import pytest

from gpjepa.core.errors import ConfigError
from gpjepa.planning.space import Space

ABC = ("KLF1", "SET", "CEBPA")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"names": (), "max_size": 1}, "no candidates"),
        ({"names": ("SET", "SET"), "max_size": 1}, "occur twice \\(SET\\)"),
        ({"max_size": 4}, "max_size is 4 with 3 candidates \\(KLF1, SET, CEBPA\\)"),
        ({"max_size": 1, "min_size": 2}, "sizes are 2 to 1"),
        ({"max_size": 0, "min_size": 0}, "sizes are 0 to 0"),
        ({"max_size": 1, "required": (0, 1)}, "2 members are required \\(KLF1, SET\\)"),
        ({"max_size": 2, "required": (3,)}, "indices below 3"),
        ({"max_size": 2, "required": (1, 1)}, "each once"),
        (
            {"max_size": 2, "required": (0, 1), "apart": frozenset({(0, 1)})},
            "KLF1 and SET are both required and forbidden together",
        ),
        ({"max_size": 2, "apart": frozenset({(1, 1)})}, "not of two candidates"),
        ({"max_size": 2, "cost": np.ones(2)}, "cost has shape \\(2,\\)"),
        ({"max_size": 2, "cost": np.array([1, -1, 1.0])}, "SET -1"),
        ({"max_size": 2, "cost": np.array([1, np.nan, 1.0])}, "SET nan"),
        ({"max_size": 2, "most_cost": -1.0}, "most_cost is -1"),
        (
            {"max_size": 2, "required": (1,), "cost": np.array([1, 5, 1.0]), "most_cost": 4},
            "required members \\(SET\\) cost 5, more than most_cost 4",
        ),
        (
            {"max_size": 2, "min_size": 2, "cost": np.array([2, 3, 4.0]), "most_cost": 4},
            "cheapest set of 2 costs 5",
        ),
        (
            {"max_size": 2, "min_size": 2, "apart": frozenset({(0, 1), (0, 2), (1, 2)})},
            "no set of 2 or more keeps apart KLF1 and SET, KLF1 and CEBPA, SET and CEBPA",
        ),
    ],
)
def test_what_cannot_be_kept_is_named(fields, message) -> None:
    with pytest.raises(ConfigError, match=message):
        Space(**{"names": ABC, **fields})


def test_pairs_and_cost_that_leave_nothing_together_are_named() -> None:
    fields = {"cost": np.array([1, 1, 9.0]), "most_cost": 5, "apart": frozenset({(0, 1)})}
    with pytest.raises(ConfigError, match="KLF1 and SET at a cost of at most 5"):
        Space(ABC, 2, 2, **fields)
    assert Space(ABC, 2, 1, **fields).count() == 2
