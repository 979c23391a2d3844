"""A made-up run directory with the files, the sizes and the spread of a real one."""

import json
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd

from gpjepa.evaluation.interval_curves import BINS, CURVE_COLUMNS, interval_curves
from gpjepa.evaluation.interval_table import EffectIntervals

GENES = (
    "HBZ", "HBG1", "HBG2", "HBA1", "AHSP", "ALAS2", "GYPA", "BLVRB", "HMBS", "TMSB10", "TMSB4X",
    "MALAT1", "FTH1", "FTL", "PRDX2", "SLC25A37", "CD24", "S100A4", "S100A6", "LGALS1", "VIM",
    "HSP90AA1", "HSPA8", "TUBA1B", "TUBB", "ACTB", "ACTG1", "H2AZ1", "HMGB2", "STMN1", "PTTG1",
    "UBE2S", "CCNB1", "TOP2A", "KRT18", "ANXA1", "PRG2", "CLC", "LAPTM5",
)  # fmt: skip
DOUBLES = ("KLF1+MAP2K6", "KLF1+TGFBR2", "MAP2K3+MAP2K6", "MAP2K3+SLC38A2", "MAPK1+TGFBR2")
SINGLES = ("FOXO4", "HK2", "SGK1")
TRAINED = ("KLF1", "MAP2K3", "MAP2K6", "MAPK1", "SLC38A2", "TGFBR2", "MIDN", "NIT1", "PLK4")
BASELINES = ("no change", "training mean", "matching mean", "additive", "scaled additive",
             "linear", "strong")  # fmt: skip
VERDICTS = ("use the model", "use the sum", "do not trust")
HOSTILE = '</script><b onmouseover="alert(1)">&\'x'


@dataclass(frozen=True)
class Shape:
    """How large and how awkward the run is."""

    doubles: tuple[str, ...] = DOUBLES
    singles: tuple[str, ...] = SINGLES
    genes: tuple[str, ...] = GENES
    screen_rows: int = 140
    latent_points: int = 1500
    simulated: bool = False
    uncertainty: bool = True  # whether the run records what shows calibration
    plans: int = 1
    seed: int = 0

    @property
    def held_out(self) -> tuple[str, ...]:
        return (*self.doubles, *self.singles)


def write_run(folder: Path, shape: Shape | None = None) -> Path:
    shape = shape or Shape()
    rng = np.random.default_rng(shape.seed)
    evaluation = folder / "evaluation"
    evaluation.mkdir(parents=True, exist_ok=True)
    effects = _effects(shape, rng)
    tables = {
        "metrics": _metrics(shape, effects, rng),
        "effects": effects,
        "populations": _populations(effects, rng),
        "histograms": _histograms(shape, effects, rng),
        "latent": _latent(shape, rng),
        "screen": _screen(shape, rng),
    }
    if shape.uncertainty:
        tables |= {
            "curves": _curves(shape, effects, rng),
            "spread": _spread(shape, rng),
            "responders": _responders(shape, rng),
        }
        _write(folder / "head.json", HEAD)
    for name, table in tables.items():
        table.to_csv(evaluation / f"{name}.csv", index=False)
    _write(evaluation / "summary.json", _summary(shape, tables["metrics"]))
    _history(rng).to_csv(folder / "history.csv", index=False)
    _documents(folder, shape)
    for index in range(shape.plans):
        (folder / "plans").mkdir(exist_ok=True)
        _write(folder / "plans" / f"goal-{index}.json", _plan(shape, np.random.default_rng(index)))
    return folder


def _write(path, document):
    path.write_text(json.dumps(document, indent=1))


def _effects(shape, rng):
    genes = list(shape.genes)
    programme = {
        member: rng.laplace(0, 0.16, len(genes)) * (rng.random(len(genes)) < 0.5)
        for label in shape.held_out
        for member in label.split("+")
    }
    rows = []
    for label in shape.held_out:
        members = label.split("+")
        additive = sum(programme[member] for member in members)
        truth = additive * (0.82 if len(members) > 1 else 1.0)
        truth = truth + rng.normal(0, 0.05, len(genes)) * (len(members) > 1)
        error = rng.uniform(0.03, 0.09, len(genes))
        observed = truth + rng.normal(0, error)
        skill = 0.8 if len(members) > 1 else 0.25
        predicted = skill * truth + rng.normal(0, 0.04, len(genes))
        known = len(members) > 1
        width = 0.09 if known else 0.16
        for index, gene in enumerate(genes):
            rows.append({
                "perturbation": label,
                "group": "combo_seen2" if known else "unseen_single",
                "gene": gene,
                "observed": observed[index],
                "observed_se": error[index],
                "predicted": predicted[index],
                "low": predicted[index] - width,
                "high": predicted[index] + width,
                "additive": additive[index] + rng.normal(0, 0.06) if known else np.nan,
                "training_mean": 0.02,
                "novelty": 0.0 if known else 0.4,
                "verdict": VERDICTS[0] if known else VERDICTS[2],
                "source": "model" if known else "training mean",
            })  # fmt: skip
    columns = ["perturbation", "group", "gene", "observed", "observed_se", "predicted", "low",
               "high", "additive", "training_mean", "novelty", "verdict",
               "source"]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


HEAD = {
    "asked": "auto", "kind": "diffusion",
    "reason": "the variational head's skill is below 0.5 in log_variance_ratio",
    "before": {"population": {"skills": {"energy_distance": 0.61, "log_variance_ratio": 0.32}}},
    "after": {"population": {"skills": {"energy_distance": 0.68, "log_variance_ratio": 0.57}}},
}  # fmt: skip


def _curves(shape, effects, rng):
    """Return calibration curves of the made-up effects, as an evaluation writes them."""
    labels = tuple(shape.held_out)
    if not labels:
        return pd.DataFrame(columns=list(CURVE_COLUMNS))
    columns = ("predicted", "low", "observed", "observed_se", "novelty")
    wide = {name: effects[name].to_numpy().reshape(len(labels), -1) for name in columns}
    bars = ((wide["predicted"] - wide["low"]) / 1.645)[None]
    given = EffectIntervals(
        wide["predicted"], bars, bars,
        verdicts=tuple(effects["verdict"].to_numpy().reshape(len(labels), -1)[:, 0]),
        novelty=tuple(wide["novelty"][:, 0]),
    )  # fmt: skip
    frame = interval_curves(given, wide["observed"], wide["observed_se"], labels, shape.seed)
    rows = []
    for series, shift in (("gpjepa", 0.1), ("control", 0.5), ("replicate", 0.0)):
        for index in range(BINS):
            value = 1 + shift * (1 - 2 * index / (BINS - 1)) + rng.normal(0, 0.02)
            rows.append({"curve": "population PIT", "series": series, "x": index / BINS,
                         "value": value, "low": value - 0.1, "high": value + 0.1,
                         "n": len(labels)})  # fmt: skip
    return pd.concat([frame, pd.DataFrame(rows)], ignore_index=True)


def _spread(shape, rng):
    rows = []
    for label in shape.held_out:
        shares = rng.dirichlet([2, 3, 3, 12])
        names = ("library", "control", "latent", "counts")
        rows += [[label, name, share] for name, share in zip(names, shares, strict=True)]
    return pd.DataFrame(rows, columns=["perturbation", "source", "share"])


def _responders(shape, rng):
    rows = []
    for label in shape.held_out:
        fraction = rng.uniform(0.2, 0.95)
        rows.append([label, fraction, max(0, fraction - 0.1), min(1, fraction + 0.1)])
    return pd.DataFrame(rows, columns=["perturbation", "fraction", "low", "high"])


SCORES = {  # metric: axis, floor, ceiling, gpjepa, spread over models
    "pearson_delta": ("effect", 0.11, 0.71, 0.64, 0.25),
    "pearson_delta_expressed": ("effect", 0.11, 0.72, 0.65, 0.25),
    "pearson_delta_de20": ("effect", 0.14, 0.78, 0.66, 0.25),
    "r2_delta": ("effect", -0.12, 0.38, 0.33, 0.3),
    "pearson_perturbed": ("effect", 0.0, 0.62, 0.41, 0.2),
    "slope": ("effect", 0.0, 0.97, 1.08, 0.5),
    "norm_ratio": ("effect", 0.0, 1.0, 0.81, 0.3),
    "normalised_mae": ("effect", 1.0, 0.72, 0.83, 0.2),
    "l2": ("effect", 0.99, 0.63, 0.74, 0.2),
    "mse_de20_ratio": ("effect", 1.0, 0.36, 0.48, 0.3),
    "discrimination": ("effect", 0.5, 0.93, 0.86, 0.2),
    "overlap_20": ("effect", 0.5, 0.81, 0.68, 0.1),
    "direction_agreement": ("effect", 0.51, 0.93, 0.88, 0.15),
    "neighbourhood_overlap": ("representation", 0.04, 0.35, 0.22, 0.05),
    "held_out_similarity": ("representation", 0.31, 0.92, 0.78, 0.2),
    "effective_rank": ("representation", 0.06, 1.0, 0.53, 0.17),
    "energy_distance": ("generative", 0.083, 0.021, 0.034, 0.03),
    "mmd": ("generative", 0.031, 0.004, 0.009, 0.01),
    "wasserstein": ("generative", 0.42, 0.19, 0.25, 0.1),
    "log_variance_ratio": ("generative", 0.61, 0.24, 0.33, 0.2),
    "zero_fraction_error": ("generative", 0.094, 0.022, 0.031, 0.03),
    "pit_distance": ("generative", 0.11, 0.045, 0.061, 0.03),
    "population_skill_energy_distance": ("generative", 0.0, 1.0, 0.62, 0.3),
    "coverage_90": ("generative", 0.4, 0.9, 0.86, 0.1),
}
COLUMNS = ("axis", "metric", "perturbation", "model", "value", "low", "high", "floor", "ceiling",
           "skill", "n", "ceiling_low", "ceiling_high", "undefined")  # fmt: skip


def _metrics(shape, effects, rng):
    rows = []
    for metric, (axis, floor, ceiling, score, spread) in SCORES.items():
        models = ("PCA", "HVG", "no change") if axis == "representation" else BASELINES
        means = {}
        for model in ("gpjepa", *models):
            worse = rng.normal(0.6, 1) * spread if model != "gpjepa" else 0.0
            centre = floor if model == "no change" else score - np.sign(ceiling - floor) * worse
            own = _scores(shape, rng, axis, metric, model, centre, floor, ceiling)
            means[model] = own[0][4]
            rows += own
        for model in models:
            best = {"slope": 1.0, "norm_ratio": 1.0, "coverage_90": 0.9}.get(metric)
            ours, theirs = means["gpjepa"], means[model]
            if best is not None:  # a difference of distances from the best value
                ours, theirs = abs(ours - best), abs(theirs - best)
            gap, half = ours - theirs, 0.12 * abs(ceiling - floor)
            versus = f"gpjepa \N{MINUS SIGN} {model}"
            rows.append([axis, metric, "all", versus, gap, gap - half, gap + half, *[np.nan] * 3,
                         len(shape.held_out), *[np.nan] * 2, 0])  # fmt: skip
    return pd.DataFrame([*rows, *_judged(shape)], columns=list(COLUMNS))


def _judged(shape):
    """Return what is scored over all perturbations at once, and errors by verdict."""
    rows = []
    for metric, value, floor, ceiling in (
        ("spearman_sd_error", 0.61, np.nan, np.nan),
        ("effect_pit_distance", 0.06, np.nan, np.nan),
        ("risk_coverage_area", 0.08, 0.1, 0.05),
        ("risk_coverage_area_novelty", 0.09, 0.1, 0.05),
    ):
        skill = (value - floor) / (ceiling - floor)
        rows.append(["generative", metric, "all", "gpjepa", value, value - 0.02, value + 0.02,
                     floor, ceiling, skill, len(shape.held_out), np.nan, np.nan, 0])  # fmt: skip
    for verdict, labels, error in ((VERDICTS[0], shape.doubles, 0.6),
                                   (VERDICTS[2], shape.singles, 1.04)):  # fmt: skip
        versus = "gpjepa \N{MINUS SIGN} additive"
        for model, value in (("gpjepa", error), ("additive", error + 0.2), (versus, -0.2)):
            rows.append(["effect", f"normalised_mae: {verdict}", "all", model, value,
                         value - 0.05, value + 0.05, *[np.nan] * 3, len(labels),
                         *[np.nan] * 2, 0])  # fmt: skip
    return rows


def _scores(shape, rng, axis, metric, model, centre, floor, ceiling):
    width = 0.12 * abs(ceiling - floor)
    rows = []
    for label in shape.held_out:
        if model in ("additive", "scaled additive", "strong") and "+" not in label:
            continue
        value = centre + rng.normal(0, width)
        undefined = label in shape.singles and metric in ("pearson_perturbed", "r2_delta")
        skill = np.nan if undefined else (value - floor) / (ceiling - floor)
        rows.append([axis, metric, label, model, value, np.nan, np.nan, floor, ceiling, skill, 100,
                     ceiling - width, ceiling + width, int(undefined)])  # fmt: skip
    mean = float(np.mean([row[4] for row in rows])) if rows else centre
    undefined = sum(row[-1] for row in rows)
    rows.insert(0, [axis, metric, "all", model, mean, mean - width, mean + width, floor, ceiling,
                    (mean - floor) / (ceiling - floor), len(rows), ceiling - width,
                    ceiling + width, undefined])  # fmt: skip
    return rows


def _populations(effects, rng):
    base = dict(zip(effects["gene"], rng.lognormal(0, 1.1, len(effects)), strict=True))
    rows = []
    for line in effects.to_dict("records"):
        control = base[line["gene"]]
        row = {"perturbation": line["perturbation"], "gene": line["gene"]}
        for kind, shift in (("observed", line["observed"]), ("predicted", line["predicted"]),
                            ("control", 0.0)):  # fmt: skip
            mean = control * np.exp(2 * shift)
            theta = 1.8 * rng.lognormal(0, 0.15)
            row[f"{kind}_mean"] = mean
            row[f"{kind}_variance"] = mean + mean**2 / theta
            row[f"{kind}_zero"] = (theta / (theta + mean)) ** theta
        rows.append(row)
    return pd.DataFrame(rows, columns=_population_columns())


def _population_columns():
    kinds = [
        f"{kind}_{what}"
        for what in ("mean", "variance", "zero")
        for kind in ("observed", "predicted", "control")
    ]
    return ["perturbation", "gene", *kinds]


def _histograms(shape, effects, rng):
    rows = []
    for label in shape.held_out:
        own = effects[effects["perturbation"] == label]
        strongest = own.iloc[np.argsort(-own["observed"].abs().to_numpy())[:4]]
        for line in strongest.to_dict("records"):
            base = rng.lognormal(1.0, 0.9)
            for kind, shift in (("control", 0), ("observed", line["observed"]),
                                ("predicted", line["predicted"])):  # fmt: skip
                mean = base * np.exp(2 * shift)
                counts = rng.negative_binomial(1.8, 1.8 / (1.8 + mean), 300)
                values, sizes = np.unique(counts, return_counts=True)
                rows += [[label, line["gene"], kind, value, size / 300]
                         for value, size in zip(values, sizes, strict=True)]  # fmt: skip
    return pd.DataFrame(rows, columns=["perturbation", "gene", "kind", "count", "fraction"])


def _latent(shape, rng):
    labels = ["control", *TRAINED, *shape.held_out]
    centres = {label: rng.normal(0, 1.6, 2) for label in labels}
    centres["control"] = np.zeros(2)
    rows = []
    for _ in range(shape.latent_points):
        label = labels[rng.integers(len(labels))]
        kind = "control" if label == "control" else "observed"
        if label in shape.held_out and rng.random() < 0.5:
            kind = "predicted"
        x, y = centres[label] + rng.normal(0, 1.0, 2) + 0.3 * (kind == "predicted")
        rows.append([x, 0.7 * y, kind, label])
    return pd.DataFrame(rows, columns=["x", "y", "kind", "perturbation"])


def _screen(shape, rng):
    names = [f"GENE{index}" for index in range(110)]
    members = [*TRAINED, *shape.singles, *names]
    pairs = list(combinations(members, 2))[: shape.screen_rows]
    verdicts = ("use the model", "use the sum", "do not trust")
    rows = []
    for first, second in pairs:
        size, novelty = rng.gamma(3, 0.3), rng.random()
        verdict = verdicts[2] if novelty > 0.75 else verdicts[int(rng.random() < 0.6)]
        genes = rng.choice(list(shape.genes), min(5, len(shape.genes)), replace=False)
        top = ";".join(f"{gene} {rng.normal(0, 0.6):+.2f}" for gene in genes)
        label = "+".join(sorted((first, second)))
        rows.append([label, size, size * rng.normal(1.1, 0.2), novelty, verdict, top])
    rows.sort(key=lambda row: -row[1])
    columns = ["perturbation", "predicted_effect_size", "additive_effect_size", "novelty",
               "verdict", "top_genes"]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


def _plan(shape, rng):
    names = [*shape.held_out, *TRAINED]
    energies = np.sort(rng.gamma(6, 0.1, len(names))) + 0.4
    table = [
        {"rank": rank + 1, "set": label, "size": label.count("+") + 1, "energy": energy,
         "energy_se": 0.02, "as_good": rank < 3, "low": energy - 0.05, "high": energy + 0.05,
         "closed": 1 - energy / 1.6, "additive_energy": energy + 0.03, "interaction": -0.03,
         "novelty": 0.0, "nearest": "KLF1", "measured": rank % 2 == 0,
         "verdict": VERDICTS[rank % 3], "source": "model"}
        for rank, (label, energy) in enumerate(zip(names, energies, strict=True))
    ]  # fmt: skip
    kinds = np.repeat(["control", "goal", "predicted"], 80)
    centre = {"control": (0, 0), "goal": (2, 1), "predicted": (1.8, 0.8)}
    cells = np.array([centre[kind] for kind in kinds]) + rng.normal(0, 0.7, (len(kinds), 2))
    means = [[kind, kind, *centre[kind]] for kind in centre]
    means += [["additive", "sum", 1.4, 0.9], ["member", "KLF1", 1.1, 0.1]]
    traces = {
        name: [[spent, float(1.3 * np.exp(-spent / scale) + energies[0])]
               for spent in range(105, 1100, 100)]
        for name, scale in (("cem", 150), ("random", 600), ("greedy", 300))
    }  # fmt: skip
    return {
        "goal": {"kind": "condition", "name": names[0], "cells": 80}, "planner": "cem",
        "evaluations": 1005, "sets": 5565, "energy": "latent L1", "rescored": 20,
        "distance": 1.6, "additive": {"set": names[1], "energy": 0.9}, "notes": [],
        "comparison": [{"planner": name, "set": names[0], "energy": rows[-1][1],
                        "evaluations": rows[-1][0]} for name, rows in traces.items()],
        "table": table, "traces": traces,
        "map": {"kind": kinds.tolist(), "x": cells[:, 0].tolist(), "y": cells[:, 1].tolist(),
                "explained": [0.41, 0.13], "means": means},
    }  # fmt: skip


def _history(rng):
    starts = {"pretrain": {"predict": 1.4, "vicreg": 2.1},
              "fit": {"predict": 0.9, "vicreg": 1.2, "nb": 412.0, "predictor_nb": 433.0,
                      "kl": 9.0, "population": 31.0, "interaction": 0.4}}  # fmt: skip
    monitors = {"encoder_min_std": 0.9, "effective_rank": 9.0, "active_units": 14}
    rows = []
    for stage, terms in starts.items():
        for epoch in np.linspace(1.5, 60, 24).round(3):
            step, fall = int(epoch * 10), 0.35 + 0.65 * np.exp(-epoch / 14)
            values = {name: start * fall * rng.lognormal(0, 0.03) for name, start in terms.items()}
            total = 0.5 * sum(values.values())
            at = (stage, epoch, step)
            rows += [[*at, "train", name, value, 0.5 * value] for name, value in values.items()]
            rows.append([*at, "train", "total", total, total])
            for name, value in monitors.items():
                grown = value * (1 - 0.4 * np.exp(-epoch / 8)) * rng.lognormal(0, 0.01)
                rows.append([*at, "train", f"monitor/{name}", grown, 0.0])
            if stage == "fit":
                rows.append([*at, "validation", "score", fall * rng.lognormal(0, 0.04), 0.0])
                rows.append([*at, "validation", "slope", 1.4 - 0.6 * fall, 0.0])
    columns = ["stage", "epoch", "step", "set", "term", "value", "weighted"]
    return pd.DataFrame(rows, columns=columns)


def _headline(metrics, metric, group, labels):
    rows = metrics[(metrics["metric"] == metric) & metrics["perturbation"].isin(labels)]
    own = rows[rows["model"] == "gpjepa"]
    if own.empty:
        return []
    loss = {"pearson_delta": lambda v: -v, "slope": lambda v: (v - 1).abs()}.get(
        metric, lambda v: v
    )
    rivals = {name: rows[rows["model"] == name]["value"] for name in BASELINES}
    rivals = {name: loss(v).mean() for name, v in rivals.items() if len(v) == len(labels)}
    best = min(rivals, key=rivals.get)
    return [{
        "metric": metric, "group": group, "model": own["value"].mean(),
        "best_baseline": rows[rows["model"] == best]["value"].mean(),
        "best_baseline_name": best, "ceiling": own["ceiling"].mean(),
        "won": bool(loss(own["value"]).mean() < rivals[best]),
    }]  # fmt: skip


def _summary(shape, metrics):
    kinds = {"combo_seen2": shape.doubles, "unseen_single": shape.singles}
    headline = [
        row
        for group, labels in kinds.items()
        for metric in ("pearson_delta", "l2", "slope")
        for row in _headline(metrics, metric, group, labels)
    ]
    for metric in ("energy_distance", "log_variance_ratio"):
        headline += _headline(metrics, metric, "all", ("all",))
    return {
        "title": "Norman 2019, K562: combinations of activated genes",
        "dataset": "norman-k562 (Norman 2019, CRISPRa, K562; a small panel)",
        "simulated": shape.simulated,
        "split": {"scheme": "demo", "test": len(shape.held_out)},
        "cells": 3375, "genes": 500, "perturbations": 33, "seed": 0, "wall_seconds": 171.4,
        "verdicts": {"use the model": 40, "use the sum": 61, "do not trust": 39},
        "headline": headline,
        "notes": ["scaled additive: factor not fitted (no double has both singles in training)"],
    }  # fmt: skip


def _documents(folder, shape):
    _write(folder / "config.json", {"encoder": {"latent": 32, "hidden": 128, "layers": 2},
                                    "fit": {"epochs": 60, "encoder": "finetune"}})  # fmt: skip
    groups = dict.fromkeys(shape.doubles, "combo_seen2")
    _write(folder / "split.json", {
        "scheme": "demo", "seed": 0, "train": list(TRAINED), "validation": ["SGK1+TBX3"],
        "test": list(shape.held_out),
        "groups": groups | dict.fromkeys(shape.singles, "unseen_single"),
        "truth_controls": [f"CELL{index}" for index in range(50)],
    })  # fmt: skip
    _write(folder / "provenance.json", {
        "command": "gpjepa demo --out demo-run --seed 0", "seed": 0,
        "started": "2026-01-05T10:00:00+00:00", "python": "3.12.4", "platform": "Linux x86_64",
        "versions": {"gpjepa": "0.1.0", "torch": "2.13.0", "numpy": "2.4.6"}, "commit": None,
    })  # fmt: skip
    _write(folder / "data.json", {"fingerprint": "0f3a" * 16, "name": "norman_k562.h5ad"})
