import numpy as np
import torch

import gpjepa.planning.kept as kept
from gpjepa.planning.kept import Kept, Rows


def values(keys: np.ndarray) -> torch.Tensor:
    """Return shifts that say whose they are: the key on cell 0, its double on cell 1."""
    own = torch.from_numpy(keys).float()
    return torch.stack((own, 2 * own), dim=1)[:, :, None]


def test_rows_are_found_by_key_in_any_order() -> None:
    rows = Rows(torch.zeros(0, 1))
    rows.add(np.array([7, 3]), torch.tensor([[7.0], [3.0]]))
    rows.add(np.array([5]), torch.tensor([[5.0]]))
    assert rows.at(np.array([3, 4, 5, 7, -1])).tolist() == [1, -1, 2, 0, -1]
    assert rows.total(np.array([[3, 5], [7, -1], [-1, -1]])).tolist() == [[8.0], [7.0], [0.0]]


def test_only_missing_shifts_are_made() -> None:
    made: list[int] = []

    def make(keys: np.ndarray) -> torch.Tensor:
        made.extend(keys.tolist())
        return values(keys)

    own = Kept(2, 1, torch.zeros(1))
    own.fill(np.array([4, 2, 4]), make)
    own.fill(np.array([2, 9]), make)
    assert made == [2, 4, 9]
    assert own.total(np.array([[2, 9]])).tolist() == [[16.5]]
    assert own.along(np.array([[2, 9]]), torch.ones(1, 1)).tolist() == [[11.0, 22.0]]


def test_shifts_that_many_sets_share_are_the_same_along_a_direction() -> None:
    own = Kept(2, 1, torch.zeros(1))
    own.fill(np.array([1, 2, 3]), values)
    keys = np.array([[1, 2], [3, -1], [2, 3], [-1, -1]])
    few = own.along(keys, torch.tensor([[1.0], [2.0], [1.0], [1.0]]))
    assert few.tolist() == [[3.0, 6.0], [6.0, 12.0], [5.0, 10.0], [0.0, 0.0]]
    many = own.along(np.tile(keys, (9, 1)), torch.tensor([[1.0], [2.0], [1.0], [1.0]] * 9))
    assert many.tolist() == few.tolist() * 9


def test_where_memory_is_full_cells_are_forgotten_and_means_stay(monkeypatch) -> None:
    monkeypatch.setattr(kept, "MEMORY", 4)  # two keys of two cells
    own = Kept(2, 1, torch.zeros(1))
    own.fill(np.array([1, 2]), values)
    own.fill(np.array([3]), values)
    assert own.cells.at(np.array([1, 2, 3])).tolist() == [-1, -1, 0]
    assert own.total(np.array([[1, 3]])).tolist() == [[6.0]]
