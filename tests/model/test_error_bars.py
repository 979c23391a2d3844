import torch

from gpjepa.model.composition import Composition, Members, PairInteraction, PairKernel
from gpjepa.model.error_bars import ErrorBars, Scales, pair_doubt

NOTHING = torch.zeros(0, dtype=torch.float64)


def of(ids, effects) -> Members:
    effects = torch.tensor(effects, dtype=torch.float64)
    return Members(effects, torch.zeros(*effects.shape[:2], 1).double(), torch.tensor(ids))


def kernel(anchors: Members, noise: float) -> Composition:
    interaction = PairInteraction(PairKernel(2.0), anchors).double()
    interaction.requires_grad_(False)
    interaction.solve(torch.ones(len(anchors.ids), 2).double(), torch.tensor(noise))
    return Composition(torch.ones(2, dtype=torch.float64), interaction)


def bars(noise=(1.0,)) -> ErrorBars:
    scales = ([2.0, 4.0], [1.0, 3.0], [0.0, 0.0, 2.0], noise)
    return ErrorBars(Scales(*(torch.tensor(each, dtype=torch.float64) for each in scales)))


def test_doubt_without_a_kernel_is_the_root_of_the_length_of_the_sum():
    part = kernel(of([], [[[0.0, 0.0], [0.0, 0.0]]])._replace(ids=torch.zeros(0, 2).long()), 1.0)
    pairs = of([[0, 1]], [[[3.0, 0.0], [0.0, 4.0]]])
    empty = part.interaction.anchors.effects[:0]
    part.interaction.weights = empty[:, 0]
    found = pair_doubt(part, pairs, torch.tensor(0.3, dtype=torch.float64))
    torch.testing.assert_close(found, torch.tensor([2.5**0.5], dtype=torch.float64))


def test_doubt_of_a_pair_is_smaller_where_it_was_measured():
    anchors = of([[0, 1]], [[[1.0, 0.0], [0.0, 1.0]]])
    part = kernel(anchors, 0.01)
    sets = of([[0, 1], [2, 3]], [[[1.0, 0.0], [0.0, 1.0]], [[-1.0, 0.0], [0.0, -1.0]]])
    near, far = pair_doubt(part, sets, torch.tensor(0.01, dtype=torch.float64))
    assert near < 0.5 * far


def test_a_guessed_gene_alone_has_its_own_doubt_and_a_measured_one_none():
    sets = of([[2], [0]], [[[1.0, 0.0]], [[1.0, 0.0]]])
    found = bars()(sets, (), NOTHING)
    torch.testing.assert_close(found[0], torch.tensor([2.0, 6.0], dtype=torch.float64))
    assert torch.isnan(found[1]).all()


def test_variances_of_a_set_and_of_its_guessed_members_add():
    part = kernel(of([[0, 1]], [[[1.0, 0.0], [0.0, 1.0]]]), 0.5)
    effects = [[[1.0, 0.0], [0.0, 1.0]]] * 2
    weights = torch.ones(1, dtype=torch.float64)
    known, guessed = bars((0.5,))(of([[0, 1], [0, 2]], effects), (part,), weights)
    alone = bars().alone * 2.0
    own = bars((0.5,))(
        of([[3, 4]], effects[:1])._replace(ids=torch.tensor([[0, 1]])), (part,), weights
    )
    torch.testing.assert_close(known, own[0])
    assert (guessed**2 > alone**2).all()


def test_sets_without_anything_that_composes_have_none():
    found = bars()(of([[0, 2]], [[[1.0, 0.0], [0.0, 1.0]]]), (), NOTHING)
    assert torch.isnan(found).all()
