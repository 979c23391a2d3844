import numpy as np

from gpjepa.compose.line import fit_line


def problem(rows, noise, seed=0):
    rng = np.random.default_rng(seed)
    traits = rng.normal(size=(rows, 2))
    members = np.zeros((rows, 10))
    for line in range(rows):
        members[line, rng.choice(10, size=2, replace=False)] = 1.0
    gene = rng.normal(size=10)
    values = 1.0 + 2.0 * traits[:, 0] + members @ gene + noise * rng.normal(size=rows)
    return traits, members, gene, values


def test_slopes_and_members_are_recovered_from_many_rows():
    traits, members, gene, values = problem(2000, 0.1)
    line, _ = fit_line(traits, members, values)
    np.testing.assert_allclose(line.slopes / line.width, [2.0, 0.0], atol=0.05)
    assert np.corrcoef(line.restless, gene)[0, 1] > 0.99
    assert np.abs(line.at(traits, members) - values).mean() < 0.2


def test_left_out_values_are_those_of_a_line_without_the_row():
    traits, members, _, values = problem(12, 0.5)
    _, left_out = fit_line(traits, members, values)
    line, _ = fit_line(np.delete(traits, 3, 0), np.delete(members, 3, 0), np.delete(values, 3))
    alone = line.at(traits[3:4], members[3:4])[0]
    assert abs(left_out[3] - alone) < 0.35 * abs(values[3] - alone) + 0.2


def test_one_row_in_a_field_of_equals_moves_the_line_little():
    values = np.zeros(5)
    values[0] = 4.0
    line, left_out = fit_line(np.zeros((5, 2)), np.eye(5), values)
    assert abs(line.level - 0.8) < 1e-6
    assert left_out[0] < 1.0
    np.testing.assert_array_equal(line.slopes, 0.0)


def test_a_gene_that_was_no_member_adds_nothing():
    traits, members, _, values = problem(30, 0.1)
    line, _ = fit_line(traits, members, values)
    new = np.zeros((1, 12))
    new[0, 10:] = 1.0
    np.testing.assert_allclose(line.at(line.centre[None], new), line.level)
