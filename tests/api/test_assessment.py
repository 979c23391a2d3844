from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gpjepa.api.assessment import assess
from gpjepa.api.model import GPJEPA
from gpjepa.api.run import read_split
from gpjepa.core.errors import DataError
from gpjepa.data.labels import CONTROL
from gpjepa.data.perturbseq import read


@pytest.fixture(scope="module")
def loaded(run) -> GPJEPA:
    return GPJEPA.load(run, "cpu")


def test_held_out_combinations_are_predicted_and_a_single_without_data_is_not(assessed) -> None:
    assert assessed.labels == ("B+D", "C+D")
    assert assessed.unpredictable == ("E",)
    assert not assessed.fit_only
    assert set(assessed.predicted.obs["perturbation"].astype(str)) == {"B+D", "C+D"}


def test_all_three_axes_are_scored(assessed) -> None:
    assert assessed.report.missing_axes == ()
    assert set(assessed.report.table["axis"]) == {"effect", "representation", "generative"}


def test_observed_controls_are_the_truth_half_and_predictions_start_from_the_other(
    assessed, screen
) -> None:
    split = assessed.split
    seen = assessed.observed.obs
    controls = set(seen.index[seen["perturbation"].astype(str) == CONTROL])
    assert controls == set(split.truth_controls)
    used = set(assessed.predicted.obs["control_cell"].astype(str))
    assert used
    assert not used & controls


def test_genes_are_gated_on_the_controls_that_train(assessed) -> None:
    panel, rows = assessed.panel, assessed.parts.train_controls
    mean = np.asarray(panel.counts[rows].mean(axis=0)).ravel()
    for gene, gate, level in zip(panel.genes, assessed.gated, mean, strict=True):
        assert gate == (level >= 0.1 and gene not in "ABCDEF")


def test_a_split_that_holds_nothing_out_is_scored_as_fit(loaded, screen, run) -> None:
    split = read_split(run)
    nothing = replace(split, train=("A", "B"), validation=(), test=(), groups={})
    found = assess(loaded, screen, nothing, 0)
    assert found.fit_only
    assert found.labels == ("A", "B")


def test_nothing_that_can_be_predicted_is_refused(loaded, screen, run) -> None:
    lone = replace(read_split(run), test=("E",))
    with pytest.raises(DataError, match="none of 1 held-out perturbations can be predicted"):
        assess(loaded, screen, lone, 0)


def test_a_context_left_out_is_compared_with_what_the_others_measured(tiny) -> None:
    data = read(tiny.make_cells(cell_types=2, control=120), announce=False)
    split = data.split("unseen-context", context_column="cell_type", seed=0)
    model = GPJEPA(data, tiny.make_config(), split, device="cpu")
    model.fit()
    table = assess(model, data, split, 0).report.table
    rows = table[(table["metric"] == "l2") & (table["perturbation"] == "all")]
    values = rows.set_index("model")["value"]
    assert {"no change", "training mean", "mean elsewhere"} <= set(values.index)
    assert values["mean elsewhere"] < values["no change"]
