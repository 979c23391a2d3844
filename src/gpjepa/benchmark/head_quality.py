"""What learned heads draw: diffusion against flow at equal cost, few evaluations against many."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from gpjepa.benchmark import simulated
from gpjepa.benchmark.head_latents import fitted_problem
from gpjepa.benchmark.head_targets import RESPONDING, Kind, Latents, Problem, known_problem
from gpjepa.benchmark.scores import COLUMNS
from gpjepa.benchmark.task import Part, Task, headlines
from gpjepa.core.config import Config
from gpjepa.core.random import derive_seed, torch_stream
from gpjepa.data.perturbseq import read
from gpjepa.data.simulator import SimulationConfig, simulate
from gpjepa.data.simulator_config import FreeConfig
from gpjepa.evaluation.distances import energy_distance, pairwise_distances
from gpjepa.model.diffusion.head import DiffusionHead
from gpjepa.model.diffusion.residual_head import ResidualHead
from gpjepa.model.flow import FlowHead
from gpjepa.model.variational import LatentHead, RecognitionHead
from gpjepa.training.head_fit import variational_head
from gpjepa.training.trainer import rate_factor

if TYPE_CHECKING:
    from pandas import DataFrame

BATCH, MANY = 128, 500
HELD_OUT = 0.25  # of the simulated pairs
HIDDEN = 32  # of a recognition that these latents do not need
GAUSSIAN, DIFFUSION, FLOW = "Gaussian", "diffusion", "flow"
DISTANCE, RATIO = "energy_distance", "energy_over_gaussian"
LOST, LOST_IN_ERRORS = "lost_by_few_evaluations", "lost_in_standard_errors"


def fitted(head: ResidualHead, data: Latents, steps: int, rate: float, seed: int) -> ResidualHead:
    """Fit a head on latents for some steps, a random batch each, and return it."""
    generator = torch_stream(seed, "benchmark", "heads", "fit")
    head.prepare(data.prediction, data.latent)
    head.base.requires_grad_(False)
    optimizer = torch.optim.AdamW(
        [parameter for parameter in head.parameters() if parameter.requires_grad], rate
    )
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = rate * rate_factor(step, steps)
        rows = torch.randint(len(data.latent), (BATCH,), generator=generator)
        loss = head.loss(data.prediction.rows(rows), data.latent[rows], generator)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    head.finish()
    return head


def known_targets(kind: Kind) -> Callable[[Config, int, str], DataFrame]:
    """Return the part that scores the heads on latents of one known kind."""

    def part(config: Config, seed: int, device: str) -> DataFrame:
        problem = known_problem(kind, seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed(seed, "benchmark", "base"))
            base = RecognitionHead(problem.training.latent.shape[1], HIDDEN)
        return compared(kind, base, problem, config, seed)

    part.__name__ = f"heads on {kind}"  # tells its results from the others'
    return part


def recognised_latents(config: Config, seed: int, device: str) -> DataFrame:
    """Score the heads on the latents of a model fitted to cells of which half respond."""
    adata, _ = simulate(simulation(seed))
    data = read(adata, announce=False)
    split = data.split("unseen-combination", seed=seed, fraction=HELD_OUT)
    bundle, problem = fitted_problem(data, split, config, seed, device)
    return compared("recognised", variational_head(bundle.model), problem, config, seed)


def simulation(seed: int) -> SimulationConfig:
    """Return the settings: those of `simulated`, with a half of the cells that do not respond."""
    share = (RESPONDING, RESPONDING)
    plain = simulated.simulation(seed)
    return plain.model_copy(update={"free": FreeConfig(genes=simulated.GENES, responders=share)})


def compared(
    name: str, base: RecognitionHead, problem: Problem, config: Config, seed: int
) -> DataFrame:
    """Fit both heads on a problem, score them, and few evaluations against many."""
    import pandas

    heads = both_heads(base, problem.training, config, seed)
    groups = {f"{name}, seen": problem.seen, f"{name}, never seen": problem.unseen}
    rows = [score(group, heads, held, seed) for group, held in groups.items()]
    rows.append(few_against_many(f"{name}, never seen", heads, problem.unseen, seed))
    return pandas.concat(rows, ignore_index=True)[list(COLUMNS)]


def both_heads(
    base: RecognitionHead, data: Latents, config: Config, seed: int
) -> dict[str, ResidualHead]:
    """Fit a diffusion and a flow: the same network, steps, batches and evaluations."""
    part = config.head
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "benchmark", "heads"))
        heads: dict[str, ResidualHead] = {
            DIFFUSION: DiffusionHead(
                base,
                process=part.process,
                schedule=part.schedule,
                sampler=part.sampler,
                evaluations=part.evaluations,
            ),
            FLOW: FlowHead(base, evaluations=part.evaluations),
        }
    return {
        name: fitted(head, data, part.fitting_steps, part.fitting_rate, seed)
        for name, head in heads.items()
    }


@torch.no_grad()
def score(
    group: str, heads: Mapping[str, ResidualHead], held: Mapping[str, Latents], seed: int
) -> DataFrame:
    """Score the latents that heads draw by their energy distance to real ones.

    The Gaussian head is scored beside them. Rows: the distance, with the control cells' as its
    floor and other draws from the truth as its ceiling, and its ratio to the Gaussian head's; n
    counts conditions.
    """
    import pandas

    first = next(iter(heads.values()))
    drawers: dict[str, LatentHead] = {GAUSSIAN: first.base, **heads}
    found = {name: _distances(head, held, seed) for name, head in drawers.items()}
    floor, ceiling = control_distance(held), replicate_distance(held)
    rows = []
    for name, each in found.items():
        ratio = float((each / found[GAUSSIAN]).mean())
        rows.append((group, DISTANCE, name, each.mean(), floor, ceiling, len(each)))
        rows.append((group, RATIO, name, ratio, np.nan, np.nan, len(each)))
    return pandas.DataFrame(rows, columns=list(COLUMNS))


@torch.no_grad()
def few_against_many(
    group: str, heads: Mapping[str, ResidualHead], held: Mapping[str, Latents], seed: int
) -> DataFrame:
    """Score what few evaluations lose against `MANY`, from the same noise.

    Rows: the difference of the energy distances to real latents as a share of the control cells',
    and in its own standard errors over conditions.
    """
    import pandas

    rows = []
    for name, head in heads.items():
        few = _distances(head, held, seed)
        asked, head.evaluations = head.evaluations, MANY
        lost = few - _distances(head, held, seed)
        head.evaluations = asked
        share = lost.mean() / control_distance(held)
        error = lost.std(ddof=1) / len(lost) ** 0.5
        errors = lost.mean() / error if error > 0 else 0.0
        for metric, value in ((LOST, share), (LOST_IN_ERRORS, errors)):
            rows.append((group, metric, name, value, np.nan, np.nan, len(lost)))
    return pandas.DataFrame(rows, columns=list(COLUMNS))


def control_distance(held: Mapping[str, Latents]) -> float:
    """Return the mean energy distance of the unperturbed states to the perturbed latents."""
    each = []
    for latents in held.values():
        each.append(_distance(latents.prediction.start, latents.latent))
    return float(np.mean(each))


def replicate_distance(held: Mapping[str, Latents]) -> float:
    """Return the mean energy distance of two draws from the truth; NaN where it is not known."""
    each = [_distance(x.again, x.latent) for x in held.values() if x.again is not None]
    return float(np.mean(each)) if each else float("nan")


def _distances(head: LatentHead, held: Mapping[str, Latents], seed: int) -> np.ndarray:
    """Return the distance of drawn to real latents of each condition."""
    each = []
    for label, latents in held.items():
        stream = torch_stream(seed, "benchmark", "heads", "draw", label)
        each.append(_distance(head.sample(latents.prediction, stream), latents.latent))
    return np.array(each)


def _distance(drawn: Tensor, real: Tensor) -> float:
    """Return the energy distance of two populations of the same size."""
    pooled = torch.cat((drawn, real)).double().numpy()
    return energy_distance(pairwise_distances(pooled), len(drawn))


HEADS = Task(
    "heads",
    "latents drawn by diffusion and by flow at equal cost; 20 evaluations against 500",
    (),
    (
        Part("gaussian", known_targets("gaussian")),
        Part("mixture", known_targets("mixture")),
        Part("recognised", recognised_latents),
    ),
    tuple(
        headline
        for name in ("gaussian", "mixture", "recognised")
        for headline in headlines(
            f"{name}, never seen",
            (RATIO, "energy distance ÷ the Gaussian head's ↓", 0.0),
            (LOST, "lost by few evaluations ÷ control's distance → 0", 0.0),
        )
    ),
    simulated=True,
)
