from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from gpjepa.core.errors import DataError
from gpjepa.data.feature_table import GeneFeatures
from gpjepa.data.labels import CONTROL
from gpjepa.data.perturbseq import read
from gpjepa.training.prepare import annotate, prepare

FEATURES = GeneFeatures(("A", "B", "NEW"), np.array([[3, 0], [0, 4], [1, 1]], np.float32))


def test_only_training_cells_and_the_training_half_of_controls_take_part(
    data, split, prepared
) -> None:
    assert set(prepared.training.labels) == {CONTROL, *split.train}
    assert not set(prepared.training.names) & split.truth_controls
    assert not set(prepared.controls.names) & split.truth_controls
    assert set(prepared.controls.labels) == {CONTROL}
    assert len(prepared.controls.table) == 30
    assert prepared.observed.labels == tuple(sorted(split.train))
    assert prepared.validation.labels == split.validation


def test_cells_and_genes_with_too_few_counts_do_not_train(tiny, data, split) -> None:
    adata = tiny.make_cells()
    counts = adata.X.toarray()
    counts[:, 20] = 0
    counts[100] = 0  # a training cell of a single
    adata.X = counts
    odd = read(adata, announce=False)
    found = prepare(odd, split, tiny.make_config(), None)
    assert found.genes == tuple(odd.genes)  # few enough: predictions have the genes of the data
    fewer = prepare(odd, split, tiny.make_config(data={"genes": 12}), None)
    assert "gene14" not in fewer.genes
    assert len(fewer.genes) == 12
    assert "cell100" in odd.cells
    assert "cell100" not in found.training.names
    strict = prepare(odd, split, tiny.make_config(data={"min_cell_counts": 80}), None)
    sums = np.asarray(strict.training.table.counts.sum(axis=1)).ravel()
    assert sums.min() >= 79.0
    assert len(strict.training.table) < len(found.training.table)


def test_a_split_that_leaves_nothing_to_train_on_is_refused(tiny, data, split) -> None:
    nothing = replace(split, train=(), validation=(), test=data.perturbations)
    with pytest.raises(DataError, match="'made' leaves no perturbed training cells"):
        prepare(data, nothing, tiny.make_config(), None)


def test_measured_names_come_first_then_those_that_features_alone_can_place(
    tiny, data, split
) -> None:
    found = prepare(data, split, tiny.make_config(), FEATURES).vocabulary
    assert found.members == ("A", "B", "C", "D", "E", "F", "NEW")
    assert found.measured == 6
    assert found.knows("NEW+A")
    assert not found.knows("GONE")


def test_a_name_without_features_has_a_row_of_zeros(tiny, data, split) -> None:
    spec = prepare(data, split, tiny.make_config(), FEATURES).spec
    assert spec.features.shape == (7, 2)
    assert torch.equal(spec.features[2:6], torch.zeros(4, 2))
    # From the middle (1.5, 2) of the measured rows, in their root mean square length 2.5.
    assert torch.allclose(spec.features[0], torch.tensor([1.5, -2.0]) / 2.5)
    assert torch.allclose(spec.features[6], torch.tensor([-0.5, -1.0]) / 2.5)


def test_gene_sets_place_genes_that_nobody_perturbed(tiny) -> None:
    names = ("KLF1", "GATA1", "SPI1")
    adata = tiny.make_cells(labels=names, genes=(*names, *tiny.GENES[6:]))
    real = read(adata, announce=False)
    split = tiny.make_split(real, (), ())
    config = tiny.make_config(perturbation={"features": ("hallmark",), "components": 8})
    found = prepare(real, split, config, None)
    assert found.vocabulary.measured == 3
    assert found.vocabulary.knows("TAL1+MYC")
    placed = found.spec.features[found.vocabulary.index_of("MYC")]
    assert float(placed.norm()) > 0


def test_gene_sets_are_left_out_where_no_perturbation_is_a_gene(tiny, data, split) -> None:
    drugs = tuple(f"drug-{x}" for x in "ABC")
    made = read(tiny.make_cells(labels=drugs), announce=False)
    config = tiny.make_config(perturbation={"features": ("hallmark",)})
    found = prepare(made, tiny.make_split(made, (), ()), config, None)
    assert found.vocabulary.members == tuple(sorted(drugs))
    assert found.spec.features.shape == (3, 0)


def test_a_member_seen_only_in_combinations_is_marked(tiny) -> None:
    data = read(tiny.make_cells(labels=("A", "B", "A+C", "B+C")), announce=False)
    found = prepare(data, tiny.make_split(data, (), ()), tiny.make_config(), None).vocabulary
    assert found.in_combination_only == {"C"}
    assert found.is_measured("C")


def test_covariates_with_levels_are_embedded_and_make_strata(tiny) -> None:
    data = read(tiny.make_cells(batches=2, cell_types=3), announce=False)
    found = prepare(data, tiny.make_split(data), tiny.make_config(), None)
    assert found.vocabulary.covariates == {
        "cell_type": ("type0", "type1", "type2"),
        "batch": ("batch0", "batch1"),
    }
    assert found.spec.levels == (3, 2)
    pairs = zip(data.cell_type, data.batch, strict=True)
    everyone = annotate(data, found.vocabulary)
    joint = {}
    for stratum, pair in zip(everyone.strata, pairs, strict=True):
        assert joint.setdefault(stratum, pair) == pair
    assert len(joint) == 6


def test_a_held_out_context_is_no_covariate(tiny) -> None:
    data = read(tiny.make_cells(batches=2, cell_types=2), announce=False)
    base = tiny.make_split(data, (), ())
    split = replace(base, context_column="cell_type", held_out_context="type1")
    found = prepare(data, split, tiny.make_config(), None)
    assert tuple(found.vocabulary.covariates) == ("batch",)
    perturbed = found.training.labels != CONTROL
    kinds = dict(zip(data.cells, data.cell_type, strict=True))
    assert {kinds[name] for name in found.training.names[perturbed]} == {"type0"}


def test_one_dose_for_all_is_no_covariate(tiny) -> None:
    several = read(tiny.make_cells(doses=(1.0, 10.0)), dose="dose", announce=False)
    assert prepare(several, tiny.make_split(several), tiny.make_config(), None).spec.dose
    plain = read(tiny.make_cells(), announce=False)
    assert not prepare(plain, tiny.make_split(plain), tiny.make_config(), None).spec.dose


def test_nothing_prepared_depends_on_test_cells_or_truth_controls(tiny, data, split) -> None:
    changed = tiny.make_cells()
    rng = np.random.default_rng(5)
    out = np.isin(data.labels, split.test) | np.isin(data.cells, list(split.truth_controls))
    dense = changed.X.toarray()
    dense[out] = rng.poisson(9.0, (int(out.sum()), dense.shape[1]))
    changed.X = dense
    changed.obs["total_counts"] = np.maximum(changed.obs["total_counts"], dense.sum(axis=1) + 50)
    ours = prepare(data, split, tiny.make_config(), None)
    theirs = prepare(read(changed, announce=False), split, tiny.make_config(), None)
    assert ours.genes == theirs.genes
    for name in ("mean", "deviation", "base_rate"):
        assert torch.equal(getattr(ours.moments, name), getattr(theirs.moments, name))
    assert ours.moments.target == theirs.moments.target
    for name in ("observed", "validation"):
        mine, other = getattr(ours, name), getattr(theirs, name)
        assert np.array_equal(mine.effect, other.effect)
        assert np.array_equal(mine.error, other.error)


def test_members_carry_their_modality_and_features_are_looked_up_by_gene(tiny) -> None:
    cells = tiny.make_cells(labels=("A", "B", "C"), perturbed=12)
    way = np.repeat(["none", "CRISPRa", "CRISPRi", "CRISPRi"], [60, 12, 12, 12]).astype(object)
    way[60:64] = "CRISPRi"
    cells.obs["modality"] = way
    data = read(cells, announce=False)
    found = prepare(data, tiny.make_split(data, (), ()), tiny.make_config(), FEATURES)
    known = found.vocabulary
    measured = ("A@CRISPRa", "A@CRISPRi", "B@CRISPRi", "C@CRISPRi")
    assert known.members[: known.measured] == measured
    assert set(known.members[known.measured :]) == {
        *("B@CRISPRa", "C@CRISPRa", "NEW@CRISPRa", "NEW@CRISPRi")
    }
    assert known.modalities == ("CRISPRi", "CRISPRa")
    assert known.usual == {"A": "CRISPRa"}
    features = found.spec.features
    assert torch.equal(features[0], features[1])
    assert torch.equal(found.spec.modality[:4], torch.tensor([1, 0, 0, 0]))
    assert found.observed.labels == measured


def test_coexpression_places_the_modelled_genes_by_training_controls_alone(
    tiny, data, split
) -> None:
    config = tiny.make_config(perturbation={"features": ("coexpression",), "components": 4})
    found = prepare(data, split, config)
    assert found.spec.features.shape == (24, 4)
    assert found.vocabulary.knows("gene3")
    changed = tiny.make_cells()
    counts = changed.X.toarray()
    others = ~np.isin(data.cells, list(found.controls.names))
    counts[others] = counts[others][:, ::-1]
    changed.X = counts
    other = prepare(read(changed, announce=False), split, config)
    assert torch.equal(other.spec.features, found.spec.features)
    assert not np.array_equal(other.observed.effect, found.observed.effect)


def test_a_table_of_other_genes_is_refused(tiny, data, split) -> None:
    with pytest.raises(DataError, match="covers none of the 6 perturbations"):
        prepare(data, split, tiny.make_config(), GeneFeatures(("TP53",), np.ones((1, 2))))
