import numpy as np
import pytest

from gpjepa.data import tables
from gpjepa.data.references import gene_sets


def test_effects_show_known_biology() -> None:
    table = tables.norman_effects()
    assert table.shape == (234, 2000)
    assert table.obs["kind"].value_counts().to_dict() == {"double": 130, "single": 104}
    effects = table.to_df()
    assert effects.loc["KLF1", "HBZ"] > 0.5
    assert effects.loc["CEBPA", "CLC"] > 0.5
    assert effects.loc["BAK1", "HBZ"] < effects.loc["KLF1", "HBZ"]


def test_labels_of_doubles_are_sorted_and_126_have_both_singles() -> None:
    table = tables.norman_effects()
    singles = set(table.obs_names[table.obs["kind"] == "single"])
    doubles = [label.split("+") for label in table.obs_names[table.obs["kind"] == "double"]]
    assert all(members == sorted(members) for members in doubles)
    assert sum(set(members) <= singles for members in doubles) == 126


def test_centroids_return_points_from_their_squared_distances() -> None:
    points = np.random.default_rng(0).normal(size=(12, 3))
    squared = ((points[:, None] - points[None]) ** 2).sum(axis=-1)
    found = tables.centroids(2 * squared, origin=4)
    again = ((found[:, None] - found[None]) ** 2).sum(axis=-1)
    np.testing.assert_allclose(again, squared, atol=1e-9)
    np.testing.assert_allclose(found[4], 0.0)
    assert found.shape[1] == 3


def test_centroids_of_norman_reproduce_the_large_distances() -> None:
    table = tables.norman_distances()
    distances = np.asarray(table.obsp["distances"])
    points = np.asarray(table.obsm["X_centroid"])
    np.testing.assert_array_equal(distances, distances.T)
    implied = 2 * ((points[:, None] - points[None]) ** 2).sum(axis=-1)
    upper = np.triu_indices(len(points), 1)
    assert np.corrcoef(implied[upper], distances[upper])[0, 1] > 0.999
    np.testing.assert_allclose(points[table.obs_names.get_loc("control")], 0.0)


def test_singles_are_whole_counts_below_the_cells_total() -> None:
    table = tables.norman_singles()
    assert table.shape == (65_359, 23)
    assert (table.X.data == np.round(table.X.data)).all()
    assert table.X.data.min() > 0
    assert (np.asarray(table.X.sum(axis=1)).ravel() <= table.obs["total_umi"]).all()
    assert (table.obs["perturbation"] == "NTC").sum() == 11_183
    assert table.obs["perturbation"].nunique() == 106


def test_klf1_raises_globins_in_the_single_gene_counts() -> None:
    table = tables.norman_singles()
    share = (
        table.to_df()
        .div(table.obs["total_umi"], axis=0)
        .groupby(np.asarray(table.obs["perturbation"], dtype=object))
        .mean()
    )
    assert share.loc["KLF1", "AHSP"] > 1.5 * share.loc["NTC", "AHSP"]


def test_interaction_classes_come_as_an_obs_table() -> None:
    table = tables.interaction_class_table()
    assert table.shape == (88, 0)
    assert table.obs.loc["MAP2K3+MAP2K6", "class"] == "redundant"


def test_baseline_table_keeps_expression_and_size_of_each_gene() -> None:
    table = tables.baseline_table("k562")
    assert table.shape == (1, 16_193)
    assert table.X.sum() == pytest.approx(0.984, abs=1e-3)
    assert (table.var["expression_size"] > 0).all()


def test_gene_set_table_holds_every_membership() -> None:
    table = tables.gene_set_table()
    sets = gene_sets()
    assert table.shape[1] == len(sets)
    assert table.X.sum() == sum(len(genes) for genes in sets.values())
    name = "HALLMARK_HYPOXIA"
    column = table[:, [name]].X.toarray().ravel() > 0
    assert set(table.obs_names[column]) == sets[name]
