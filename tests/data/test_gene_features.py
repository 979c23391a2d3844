import time

import numpy as np
import pytest

from gpjepa.core.errors import ConfigError, VocabularyError
from gpjepa.data import datasets
from gpjepa.data.gene_features import (
    gene_set_features,
    local_features,
    set_matrix,
    similarity,
)

HALLMARK = ("hallmark",)


@pytest.fixture(scope="module")
def singles() -> list[str]:
    table = datasets.load("norman-effects")
    return [str(label) for label in table.obs_names[table.obs["kind"] == "single"]]


def test_rows_of_the_set_matrix_have_unit_length_and_idf_weights() -> None:
    matrix = set_matrix(HALLMARK)
    lengths = np.sqrt(matrix.weights.multiply(matrix.weights).sum(axis=1))
    np.testing.assert_allclose(np.asarray(lengths), 1.0)
    sets = datasets.gene_sets("hallmark")
    shared = [name for name in sorted(sets) if "JUNB" in sets[name]]
    idf = np.array([np.log(len(matrix.position) / len(sets[name])) for name in shared])
    row = matrix.weights[[matrix.position["JUNB"]]]
    assert len(shared) > 1
    np.testing.assert_allclose(np.sort(row.data), np.sort(idf / np.linalg.norm(idf)))


def test_features_equal_the_dense_decomposition() -> None:
    matrix = set_matrix(HALLMARK)
    features = gene_set_features(sorted(matrix.position), 10, HALLMARK)
    left, values, _ = np.linalg.svd(matrix.weights.toarray(), full_matrices=False)
    expected = (left * values)[:, :10]
    np.testing.assert_allclose(
        features.values @ features.values.T, expected @ expected.T, atol=1e-5
    )


def test_a_gene_has_the_same_features_whoever_else_is_asked_for() -> None:
    both = gene_set_features(["JUNB", "KLF6"], 8, HALLMARK)
    alone = gene_set_features(["KLF6"], 8, HALLMARK)
    np.testing.assert_array_equal(both.values[1], alone.values[0])


def test_largest_entry_of_each_component_is_positive() -> None:
    everyone = sorted(set_matrix(HALLMARK).position)
    values = gene_set_features(everyone, 8, HALLMARK).values
    largest = values[np.abs(values).argmax(axis=0), np.arange(8)]
    assert (largest > 0).all()


def test_all_collections_take_under_three_seconds_and_leave_out_genes_in_no_set(
    singles: list[str],
) -> None:
    start = time.process_time()
    features = gene_set_features(singles)
    assert time.process_time() - start < 6.0  # a third of it here; machines and loads differ
    assert set(singles) - set(features.names) == {"IER5L", "RHOXF2"}
    assert features.values.shape == (102, 64)
    assert features.values.dtype == np.float32


def test_norman_labels_and_todays_symbols_are_the_same_gene() -> None:
    value = similarity(["KIAA1804"], ["MAP3K21", "IER5L"])
    np.testing.assert_allclose(value, [[1.0, 0.0]])


def test_paralogues_are_more_alike_than_unrelated_genes() -> None:
    value = similarity(["MAP2K3"], ["MAP2K6", "KLF1", "HOXB9"])[0]
    assert value[0] > 5 * value[1:].max()


def test_local_features_reproduce_the_similarity_to_the_basis(singles: list[str]) -> None:
    features = local_features([*singles, "JUNB"], singles, n_components=104)
    row = {name: features.values[index] for index, name in enumerate(features.names)}
    expected = similarity(["JUNB"], list(features.names[:-1]))[0]
    found = np.array([row["JUNB"] @ row[name] for name in features.names[:-1]])
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_local_features_tell_the_basis_apart_better_than_global_ones(singles: list[str]) -> None:
    everywhere = gene_set_features(singles, 16)
    here = local_features(singles, singles, 16)
    truth = similarity(list(here.names), list(here.names))

    def error(values: np.ndarray) -> float:
        return float(np.linalg.norm(values @ values.T - truth))

    assert error(here.values) < 0.9 * error(everywhere.values)


def test_local_features_are_no_wider_than_the_basis_is_rich() -> None:
    assert local_features(["JUNB", "KLF6"], ["JUN", "ATF3"], 64).values.shape == (2, 2)


def test_a_repeated_gene_is_refused() -> None:
    with pytest.raises(VocabularyError, match="'KLF1' is listed more than once"):
        gene_set_features(["KLF1", "SET", "KLF1"], 4, HALLMARK)


def test_too_many_components_are_refused() -> None:
    with pytest.raises(ConfigError, match="n_components is 50; expected 1 to 49"):
        gene_set_features(["JUNB"], 50, HALLMARK)
    with pytest.raises(ConfigError, match="n_components is 0"):
        local_features(["JUNB"], ["JUN"], 0)


def test_an_unknown_collection_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(VocabularyError, match=r"'reactom' is not known.*'reactome'"):
        gene_set_features(["JUNB"], 4, ("reactom",))
    with pytest.raises(ConfigError, match="no gene-set collection"):
        set_matrix(())


def test_a_basis_in_no_set_is_refused() -> None:
    with pytest.raises(VocabularyError, match="none of the 1 basis genes"):
        local_features(["JUNB"], ["IER5L"])
