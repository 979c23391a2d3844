import numpy as np
import torch

from gpjepa.planning.numbers import numbers, standard_error


def test_numbers_are_float64_without_a_gradient() -> None:
    found = numbers(torch.tensor([1.5, -2.0], requires_grad=True))
    assert found.dtype == np.float64
    assert found.tolist() == [1.5, -2.0]


def test_the_standard_error_of_a_mean_is_that_of_the_textbook() -> None:
    cells = torch.randn(3, 50, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    expected = cells.numpy().std(axis=1, ddof=1) / np.sqrt(50)
    np.testing.assert_allclose(standard_error(cells), expected)
