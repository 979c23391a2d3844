import pytest
import torch

from gpjepa.core.errors import ConfigError
from gpjepa.planning.goal import CellsGoal, DirectionGoal, LatentGoal, SignatureGoal, anchored


def test_anchored_latents_keep_their_way_from_the_control_cells() -> None:
    generator = torch.Generator().manual_seed(0)
    goal, taught = (torch.randn(n, 3, generator=generator) for n in (5, 7))
    encoded = taught + torch.tensor([1.0, -2.0, 0.5])
    moved = anchored(goal, encoded, taught)
    torch.testing.assert_close(moved - encoded.mean(dim=0), goal - taught.mean(dim=0))


def test_weights_of_a_signature_have_magnitudes_that_sum_to_one() -> None:
    vector = SignatureGoal({1: 3.0, 4: -1.0}).vector(6)
    torch.testing.assert_close(vector, torch.tensor([0.0, 0.75, 0.0, 0.0, -0.25, 0.0]))


def test_a_latent_is_a_population_of_one() -> None:
    goal = LatentGoal(torch.tensor([1.0, 2.0]))
    torch.testing.assert_close(goal.latents.mean(dim=0), goal.mean)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: CellsGoal(torch.zeros(0, 3)), "at least one goal cell"),
        (lambda: CellsGoal(torch.full((2, 3), torch.nan)), "goal latents hold values"),
        (lambda: CellsGoal(torch.zeros(2, 3), torch.tensor([torch.inf])), "effect hold values"),
        (lambda: LatentGoal(torch.tensor([torch.nan])), "goal latent hold values"),
        (lambda: DirectionGoal(torch.zeros(3)), "length 0"),
        (lambda: SignatureGoal({2: 0.0}), "no gene with a weight"),
        (lambda: SignatureGoal({2: float("nan")}), "weights hold values"),
    ],
)
def test_goals_that_lead_nowhere_are_refused(make, words) -> None:
    with pytest.raises(ConfigError, match=words):
        make()
