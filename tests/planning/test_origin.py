import runpy
from pathlib import Path
from types import SimpleNamespace

import torch

worlds = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("worlds.py"))))


def test_conditions_run_over_the_cells_of_one_set_after_the_other() -> None:
    origin = worlds.make_origin(cells=3)
    condition = origin.condition(torch.tensor([[0, 1], [2, -1]]))
    assert condition.members.tolist() == [[0, 1]] * 3 + [[2, -1]] * 3
    assert condition.covariates[:, 0].tolist() == [0, 1, 0, 0, 1, 0]


def test_the_baseline_is_the_library_weighted_pseudobulk_of_decoded_cells() -> None:
    origin = worlds.make_origin()
    shares = origin.model.decoder.mean_shares(origin.controls.state)
    library = origin.controls.library
    expected = torch.log1p(100.0 * (library @ shares) / library.sum())
    torch.testing.assert_close(origin.baseline, expected.detach(), atol=1e-5, rtol=1e-5)
