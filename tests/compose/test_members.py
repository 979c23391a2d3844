import numpy as np


def test_members_are_padded_and_projected(alone):
    basis = np.eye(12)[:4]
    members = alone.members(["G01", "G00+G02"], basis)
    assert members.ids.tolist() == [[1, -1], [0, 2]]
    np.testing.assert_array_equal(members.effects[1].numpy(), alone.effects[[0, 2], :4])
    assert not members.effects[0, 1].any()
    assert alone.members([], basis, size=2).ids.shape == (0, 2)


def test_sums_add_the_members(alone):
    np.testing.assert_allclose(alone.sums(["G00+G02"])[0], alone.effects[0] + alone.effects[2])
    assert alone.sums([]).shape == (0, 12)


def test_genes_that_are_only_predicted_come_after_the_measured(alone):
    more = alone.with_genes(["NEW"], np.ones((1, 12)), np.zeros((1, 1)))
    assert more.row["NEW"] == len(alone.names)
    assert more.measured.tolist() == [True] * len(alone.names) + [False]
