from __future__ import annotations

import numpy as np
import pytest

from gpjepa.api.controls import from_data
from gpjepa.api.goal_cells import Cohort
from gpjepa.api.model import GPJEPA
from gpjepa.core.errors import ConfigError, DataError, VocabularyError
from gpjepa.data.perturbseq import read


@pytest.fixture(scope="module")
def typed(tiny) -> Cohort:
    """Return a cohort with two cell types; the model is not fitted on them, and need not be."""
    data = read(tiny.make_cells(cell_types=2), announce=False)
    model = GPJEPA(data, tiny.make_config(), tiny.make_split(data), device="cpu")
    model.pretrain()
    model.fit()
    return Cohort(model.bundle, from_data(data.subset(data.is_control)), data)


def test_control_is_the_models_own_control_cells_with_or_without_data(model) -> None:
    found = Cohort(model.bundle, model.controls).of("ctrl")
    assert (found.kind, len(found.cells)) == ("control", len(model.controls))


def test_a_name_is_a_condition_or_a_cell_type(typed) -> None:
    assert typed.of("B+A").kind == "condition"
    found = typed.of("type1")
    assert (found.kind, found.name) == ("cell type", "type1")
    own = typed.data.is_control & (typed.data.cell_type == "type1")
    assert len(found.cells) == own.sum()
    assert typed.of("cell_type=type1").name == "type1"


def test_cells_of_a_condition_are_those_of_the_context(typed) -> None:
    within = Cohort(typed.bundle, typed.controls, typed.data, "type0").of("A+B")
    own = (typed.data.labels == "A+B") & (typed.data.cell_type == "type0")
    assert len(within.cells) == own.sum() < (typed.data.labels == "A+B").sum()


def test_counts_are_those_of_the_data_in_the_order_of_the_models_genes(typed) -> None:
    rows = typed.data.subset(typed.data.labels == "C+D").select_genes(typed.bundle.panel.names)
    found = typed.of("C+D").cells
    np.testing.assert_array_equal(found.counts.toarray(), rows.counts.toarray())
    np.testing.assert_array_equal(found.library, rows.library)


def test_a_name_without_data_says_where_to_give_them(model) -> None:
    with pytest.raises(DataError, match="'C.D' has no cells here.*pass data="):
        Cohort(model.bundle, model.controls).of("C+D")


def test_names_that_are_not_there_are_refused_with_the_nearest(typed) -> None:
    with pytest.raises(VocabularyError, match="condition 'A.E' is not known .12 names"):
        typed.of("A+E")
    with pytest.raises(VocabularyError, match="cell type 'typ1' is not known .2 names; closest"):
        typed.of("cell_type=typ1")


def test_a_name_that_is_both_is_refused(tiny, typed) -> None:
    adata = tiny.make_cells(cell_types=2)
    adata.obs["cell_type"] = ["A" if x == "type0" else x for x in adata.obs["cell_type"]]
    both = Cohort(typed.bundle, typed.controls, read(adata, announce=False))
    with pytest.raises(ConfigError, match="'A' is a condition and a cell type.*cell_type=A"):
        both.of("A")
