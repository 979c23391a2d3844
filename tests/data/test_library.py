import numpy as np
import pytest
from pandas import DataFrame
from scipy import sparse

from gpjepa.core.errors import DataError
from gpjepa.data.library import find_library

COUNTS = sparse.csr_matrix(np.array([[1, 2], [0, 5]], dtype=np.float32))


def table(**columns: list) -> DataFrame:
    return DataFrame(columns, index=["c0", "c1"])


@pytest.mark.parametrize("column", ["total_counts", "n_counts", "total_umi", "Total_Counts"])
def test_a_total_above_the_panel_is_detected_and_leaves_a_rest(column: str) -> None:
    library, has_rest, chosen = find_library(table(**{column: [10, 5]}), COUNTS)
    assert list(library) == [10, 5]
    assert has_rest
    assert chosen == column


def test_a_total_equal_to_the_panel_everywhere_leaves_no_rest() -> None:
    library, has_rest, _ = find_library(table(total_counts=[3.0, 5.0]), COUNTS)
    assert list(library) == [3, 5]
    assert not has_rest


def test_without_a_total_the_library_is_the_sum_over_the_panel() -> None:
    library, has_rest, chosen = find_library(table(depth=[10, 10]), COUNTS)
    assert list(library) == [3, 5]
    assert (has_rest, chosen) == (False, None)


def test_the_given_column_comes_before_the_detected_one() -> None:
    obs = table(total_counts=[10, 10], depth=[20, 30])
    assert list(find_library(obs, COUNTS, "depth")[0]) == [20, 30]


def test_totals_of_any_size_do_not_lose_precision() -> None:
    library, _, _ = find_library(table(total_counts=[2**25 + 1, 5]), COUNTS)
    assert library[0] == 2**25 + 1


def test_a_total_below_the_panel_names_the_first_cell() -> None:
    expected = r"'total_counts' is below the sum over the genes in 1 cells \(first: 'c1', 4 < 5\)"
    with pytest.raises(DataError, match=expected):
        find_library(table(total_counts=[10, 4]), COUNTS)


@pytest.mark.parametrize("value", [None, "many", np.inf])
def test_a_total_that_is_no_number_is_refused(value) -> None:
    with pytest.raises(DataError, match="has 1 values that are not finite numbers .*cell 'c1'"):
        find_library(table(n_counts=[10, value]), COUNTS)


def test_a_given_column_that_is_absent_is_named_with_the_closest() -> None:
    with pytest.raises(DataError, match="library column 'total' is not known .*'total_umi'"):
        find_library(table(total_umi=[10, 10]), COUNTS, "total")
