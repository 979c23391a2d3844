from __future__ import annotations

import numpy as np

from gpjepa.api.plan_map import plan_map


def test_control_goal_and_sampled_cells_are_placed_with_their_means(setup, model) -> None:
    found = plan_map(setup, "C+D")
    kinds = np.array(found["kind"])
    assert {kind: (kinds == kind).sum() for kind in set(kinds)} == {
        "control": 16, "goal": 12, "predicted": 200}  # fmt: skip
    means = {mean[1]: np.array(mean[2:]) for mean in found["means"]}
    assert list(means) == ["control", "goal: C+D", "C+D", "C", "D"]
    cells = np.column_stack([found["x"], found["y"]])
    for kind, called in (("control", "control"), ("goal", "goal: C+D"), ("predicted", "C+D")):
        np.testing.assert_allclose(cells[kinds == kind].mean(axis=0), means[called], atol=0.01)
    assert means["control"].tolist() == [0, 0]
    assert means["goal: C+D"][0] > 0
    assert abs(means["goal: C+D"][1]) < 1e-3  # the first axis leads to the goal
    assert 0 < sum(found["explained"]) < 1


def test_predicted_cells_are_those_that_predict_samples(setup, model) -> None:
    found = plan_map(setup, "A")
    assert [mean[0] for mean in found["means"]] == ["control", "goal", "predicted"]
    again = plan_map(setup, "A")
    assert again == found
