from __future__ import annotations

import numpy as np
import pytest

from gpjepa.core.errors import ConfigError, DataError
from gpjepa.inference.spread import SOURCES


def test_shares_of_each_label_sum_to_one_in_the_order_of_sources(model) -> None:
    table = model.spread(["A", "D+C"])
    assert list(table.columns) == ["perturbation", "source", "share", "error"]
    assert list(table["source"]) == [*SOURCES, *SOURCES]
    assert list(dict.fromkeys(table["perturbation"])) == ["A", "C+D"]
    assert table.groupby("perturbation")["share"].sum().to_list() == pytest.approx([1.0, 1.0])
    assert (table["error"] > 0).all()


def test_a_label_has_the_same_shares_whatever_stands_beside_it(model) -> None:
    both, one = model.spread(["A", "B"], seed=2), model.spread("B", seed=2)
    assert both["share"].to_list()[4:] == one["share"].to_list()


def test_too_few_cells_are_refused(model, data) -> None:
    with pytest.raises(ConfigError, match="cells is 5; expected 20 or more to measure a variance"):
        model.spread("A", cells=5)
    few = data.subset(np.flatnonzero(data.is_control)[:9]).to_anndata()
    with pytest.raises(DataError, match="found 9 control cells; expected 20 or more"):
        model.spread("A", control=few)


def test_cells_that_show_no_gene_are_refused(model, data) -> None:
    empty = data.subset(np.flatnonzero(data.is_control)).to_anndata()
    empty.X = empty.X * 0
    with pytest.raises(DataError, match="genes have a mean count of 0.1 in the control cells"):
        model.spread("A", control=empty)
