from __future__ import annotations

import numpy as np
import pandas
import pytest

from gpjepa.api.answers import canonical, effect_matrix, effect_table, effect_tables
from gpjepa.api.populations import Start
from gpjepa.core.errors import VocabularyError


@pytest.fixture(scope="module")
def start(model) -> Start:
    return Start(model.bundle, model.controls, None)


def test_labels_become_canonical_each_once_in_the_order_given(start) -> None:
    given = ["B+A", "C", "A_B", "ctrl+C", "non-targeting", "A;B"]
    assert canonical(given, start) == ("A+B", "C", "control")
    assert canonical("B+A", start) == ("A+B",)


def test_a_label_of_an_unknown_member_is_refused(start) -> None:
    with pytest.raises(VocabularyError, match="'Q' is not known"):
        canonical(["A", "A+Q"], start)


def test_effects_do_not_depend_on_which_others_are_asked_for(start) -> None:
    together = effect_matrix(start, ["A", "B", "C+D"], seed=0)
    assert np.array_equal(together[1], effect_matrix(start, ["B"], seed=0)[0])
    assert together.shape == (3, len(start.bundle.panel.names))


def test_tables_of_several_levels_are_those_of_each_level(start) -> None:
    levels = (0.5, 0.9)
    for level, table in zip(levels, effect_tables(start, ["A", "C+D"], levels, 0), strict=True):
        pandas.testing.assert_frame_equal(table, effect_table(start, ["A", "C+D"], level, 0))


def test_verdicts_and_novelty_follow_the_members(start) -> None:
    table = effect_table(start, ["A", "C+D"], 0.9, 0).drop_duplicates("perturbation")
    told = dict(zip(table.perturbation, table.verdict, strict=True))
    assert told["A"] == "use the model"
    assert told["C+D"] in ("use the model", "use the sum", "do not trust")
    assert table.novelty.tolist() == [0.0, 0.0]
