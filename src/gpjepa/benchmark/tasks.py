"""All benchmarks, by name."""

from __future__ import annotations

from gpjepa.benchmark import (
    kang_pbmc,
    norman_distances,
    norman_effects,
    norman_k562,
    norman_singles,
    papalexi_thp1,
    semi_synthetic,
    simulated,
    truth,
)
from gpjepa.benchmark.ablations import ABLATIONS
from gpjepa.benchmark.bimodal import BIMODAL
from gpjepa.benchmark.cell_calibration import CELL_CALIBRATION
from gpjepa.benchmark.cells_and_table import CELLS_AND_TABLE
from gpjepa.benchmark.head_quality import HEADS
from gpjepa.benchmark.information import INFORMATION
from gpjepa.benchmark.planning import PLANNING
from gpjepa.benchmark.planning_speed import PLANNING_SPEED
from gpjepa.benchmark.populations import POPULATIONS
from gpjepa.benchmark.recovery import RECOVERY
from gpjepa.benchmark.rounds import ROUNDS_TASK
from gpjepa.benchmark.table_calibration import CALIBRATION
from gpjepa.benchmark.task import (
    CENTROID,
    ENERGY,
    OVER_ADDITIVE,
    OVER_BETTER,
    OVER_MEAN,
    OVER_NOTHING,
    PEARSON,
    SLOPE,
    Headline,
    Part,
    Task,
    headlines,
)
from gpjepa.core.errors import ConfigError, unknown

TYPES = ("types, control", "types, stimulated")

TASKS = (
    Task(
        "norman-distances",
        "Norman 2019, 131 doubles in the 50 coordinates that their distances imply",
        ("norman-distances", "gene-sets"),
        (
            Part("half of the doubles", norman_distances.doubles),
            Part("a quarter of the genes", norman_distances.genes),
        ),
        (
            *headlines("doubles", PEARSON, OVER_ADDITIVE),
            *headlines("unseen genes", CENTROID, OVER_MEAN),
        ),
    ),
    Task(
        "norman-effects",
        "Norman 2019, measured effects of 126 doubles on 368 genes",
        ("norman-effects", "k562-baseline", "gene-sets"),
        (
            Part("half of the doubles", norman_effects.doubles),
            Part("a quarter of the genes", norman_effects.genes),
            Part("interactions", norman_effects.interactions),
        ),
        (
            *headlines("doubles", PEARSON, OVER_ADDITIVE),
            *headlines("unseen genes", CENTROID, OVER_MEAN),
            Headline("interactions", "interaction_auprc", "AUPRC of interacting genes ↑", 1.0),
            Headline("interaction classes", "precision_10, synergy", "precision@10 synergy ↑", 1.0),
        ),
    ),
    Task(
        "norman-k562",
        "Norman 2019, about 100 cells a perturbation: five doubles and three unseen genes",
        ("norman-k562", "gene-sets"),
        (
            Part("five doubles, three genes", norman_k562.held_out),
            Part("plain NB-VAE", norman_k562.plain_nb_vae),
        ),
        (
            *headlines("doubles", PEARSON, SLOPE, OVER_ADDITIVE),
            *headlines("unseen genes", PEARSON, OVER_NOTHING),
            *headlines("doubles, cells", ENERGY),
        ),
    ),
    Task(
        "norman-singles",
        "Norman 2019, 65,359 cells of 23 genes: a quarter of the perturbed genes",
        ("norman-singles", "gene-sets"),
        (
            Part("a quarter of the genes", norman_singles.unseen_genes),
            Part("by table", norman_singles.by_table),
        ),
        (
            *headlines("unseen genes", PEARSON, CENTROID, OVER_BETTER),
            *headlines("unseen genes, cells", ENERGY),
        ),
    ),
    Task(
        "papalexi-thp1",
        "Papalexi 2021, knockouts in THP-1: targets left out singly, a replicate left out",
        ("papalexi-thp1", "gene-sets"),
        (
            Part("three targets, one at a time", papalexi_thp1.unseen_targets),
            Part("nine targets, by table", papalexi_thp1.targets_by_table),
            Part("a replicate", papalexi_thp1.unseen_replicate),
            Part("nothing held out", papalexi_thp1.recovered),
        ),
        (
            *headlines("targets left out", PEARSON, OVER_BETTER),
            *headlines("replicate left out", PEARSON, OVER_NOTHING),
        ),
    ),
    Task(
        "kang-pbmc",
        "Kang 2018, interferon-β in blood cells: a cell type left out; cell types zero-shot",
        ("kang-pbmc",),
        (
            Part("a cell type", kang_pbmc.unseen_cell_type),
            Part("labels of cell types", kang_pbmc.cell_types),
        ),
        (
            *headlines("cell type left out", PEARSON, OVER_NOTHING),
            *(Headline(group, "knn_accuracy", "kNN accuracy ↑", 1.0) for group in TYPES),
            *(Headline(group, "avg_bio", "AvgBIO ↑", 1.0) for group in TYPES),
        ),
    ),
    Task(
        "semi-synthetic",
        "simulated cells with Norman's real effects: half of the doubles",
        ("norman-effects", "k562-baseline", "gene-sets"),
        (Part("half of the doubles", semi_synthetic.doubles),),
        (
            *headlines(truth.CELLS, PEARSON, OVER_ADDITIVE),
            *headlines(truth.TRUTH, PEARSON, SLOPE, OVER_ADDITIVE),
        ),
        simulated=True,
    ),
    Task(
        "simulated",
        "simulated cells of a known mechanism: a quarter of the pairs; triples",
        (),
        (
            Part("a quarter of the pairs", simulated.pairs),
            Part("plain NB-VAE", simulated.plain_nb_vae),
            Part("triples", simulated.triples),
        ),
        (
            *headlines(truth.CELLS, PEARSON, OVER_ADDITIVE),
            *headlines(truth.TRUTH, PEARSON, OVER_ADDITIVE),
            *headlines(truth.TRIPLES, PEARSON, OVER_ADDITIVE),
            *headlines(truth.TRIPLES_TRUTH, PEARSON, OVER_ADDITIVE),
        ),
        simulated=True,
    ),
)


# What explains the scores of the others, and is no part of "all".
INSIGHTS = (
    *ABLATIONS,
    BIMODAL,
    CALIBRATION,
    CELL_CALIBRATION,
    CELLS_AND_TABLE,
    HEADS,
    PLANNING,
    PLANNING_SPEED,
    POPULATIONS,
    RECOVERY,
    ROUNDS_TASK,
    INFORMATION,
)


def find_task(name: str, tasks: tuple[Task, ...] = (*TASKS, *INSIGHTS)) -> Task:
    """Return the task of a name, ablations too; raise `ConfigError` for an unknown one."""
    for task in tasks:
        if task.name == name:
            return task
    known = [task.name for task in tasks]
    raise ConfigError(unknown("benchmark", name, known, f"use one of {', '.join(known)}, or all"))
