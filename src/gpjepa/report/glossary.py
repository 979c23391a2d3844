"""What each metric means, in words for a reader who did not choose it."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal

Better = Literal["higher", "lower", "target", "unknown"]


@dataclass(frozen=True)
class Term:
    """A metric's label, its meaning in a sentence and the way in which it improves.

    `best` is the value of a perfect prediction where there is one.
    """

    label: str
    meaning: str
    better: Better
    best: float | None = None

    @property
    def arrow(self) -> str:
        """Return a sign for the direction in which the metric improves."""
        match self.better:
            case "higher":
                return "↑"
            case "lower":
                return "↓"
            case "target":
                return f"→ {self.best:g}"
            case "unknown":
                return ""

    @property
    def direction(self) -> str:
        """Return the same in words."""
        match self.better:
            case "higher":
                return "higher is better"
            case "lower":
                return "lower is better"
            case "target":
                return f"closer to {self.best:g} is better"
            case "unknown":
                return "no direction is known"


# The start of a metric's name → what it is; what follows in the name is added to the label.
# The first match counts, so a name stands before its own beginnings.
TERMS: tuple[tuple[str, Term], ...] = (
    ("pearson_delta", Term(
        "Pearson Δ", "Correlation over genes between predicted and observed change from control: "
        "is the pattern of the effect right, whatever its size?", "higher", 1.0)),
    ("pearson_perturbed", Term(
        "Pearson against other perturbations", "As Pearson Δ, but the change is measured from "
        "the mean of the training perturbations: what is particular to this one? Whatever all "
        "perturbations share no longer helps.", "higher", 1.0)),
    ("interaction_pearson", Term(
        "Interaction Pearson", "Correlation over genes between predicted and observed deviation "
        "of a combination from the sum of its members; 0 for a model that adds them.",
        "higher", 1.0)),
    ("interaction_auprc_pairs", Term(
        "Interacting combinations found", "Average precision of the size of the predicted "
        "deviation from the sum at finding the combinations that interact; the floor is chance.",
        "higher", 1.0)),
    ("interaction_auprc", Term(
        "Interacting genes found", "Average precision of the predicted deviation from the sum at "
        "finding the genes of a combination that interact, with their sign; the floor is chance.",
        "higher", 1.0)),
    ("r2_delta", Term(
        "R²", "Share of the variation of the observed change from control that the prediction "
        "explains, size included; negative when predicting nothing would be better.",
        "higher", 1.0)),
    ("r2_perturbed", Term(
        "R² against other perturbations", "As R², but the change is measured from the mean of "
        "the training perturbations.", "higher", 1.0)),
    ("slope", Term(
        "Slope of truth on prediction", "Above 1 the predicted effects are too small, below 1 "
        "they are too large or noisy.", "target", 1.0)),
    ("norm_ratio", Term(
        "Size ratio", "Length of the predicted change divided by the length of the observed "
        "one. Sampling noise lengthens the observed one.", "target", 1.0)),
    ("normalised_mae", Term(
        "Normalised error", "Sum of absolute errors divided by the sum of absolute observed "
        "changes; predicting no change gives 1.", "lower", 0.0)),
    ("l2", Term(
        "L2 distance", "Euclidean distance between the predicted and the observed change, in "
        "log1p units.", "lower", 0.0)),
    ("mse_de20_ratio", Term(
        "Error on the top 20 genes", "Squared error divided by that of predicting no change, on "
        "the 20 genes that change most.", "lower", 0.0)),
    ("discrimination", Term(
        "Discrimination", "Can the perturbation be recognised? Share of the other observed "
        "perturbations that resemble the prediction less (by cosine) than its own truth does; "
        "chance is 0.5.", "higher", 1.0)),
    ("centroid_accuracy", Term(
        "Centroid accuracy", "Share of the other observed perturbations that lie farther from "
        "the predicted state than its own truth does; chance is 0.5.", "higher", 1.0)),
    ("overlap", Term(
        "Overlap of changed genes", "Share of the genes that change most which are also "
        "predicted to change most.", "higher", 1.0)),
    ("direction_agreement", Term(
        "Direction", "Share of the significantly changed genes that are predicted to change in "
        "the right direction; chance is 0.5.", "higher", 1.0)),
    ("de_precision", Term(
        "Precision of changed genes", "Share of the genes called changed in predicted cells "
        "that are changed in observed cells (Wilcoxon test, 5 % false discovery).",
        "higher", 1.0)),
    ("de_recall", Term(
        "Recall of changed genes", "Share of the genes changed in observed cells that are "
        "called changed in predicted cells (Wilcoxon test, 5 % false discovery).",
        "higher", 1.0)),
    ("avg_bio_best", Term(
        "AvgBIO, best resolution", "How well clusters of the embedding agree with annotated cell "
        "types: mean of NMI, ARI and the rescaled silhouette, at the Leiden resolution that suits "
        "the annotation best.", "higher", 1.0)),
    ("avg_bio", Term(
        "AvgBIO", "How well clusters of the embedding agree with annotated cell types: mean of "
        "NMI, ARI and the rescaled silhouette.", "higher", 1.0)),
    ("knn_accuracy", Term("Label transfer", "Accuracy of a cell type predicted from the nearest "
                 "neighbours in the embedding.", "higher", 1.0)),
    ("neighbourhood_overlap", Term(
        "Neighbourhood overlap", "Share of a cell's neighbours in expression space that are "
        "also its neighbours in the embedding.", "higher", 1.0)),
    ("held_out_similarity", Term(
        "Held-out similarity", "Similarity of the embeddings of predicted and observed cells of "
        "a perturbation that was never trained on.", "higher", 1.0)),
    ("effective_rank", Term(
        "Effective rank", "How many directions the embedding really uses, divided by how many PCA "
        "uses; a collapsed embedding uses few.", "higher", 1.0)),
    ("collapsed_dimensions", Term(
        "Collapsed dimensions", "Share of the embedding's dimensions that hardly vary between "
        "cells.", "lower", 0.0)),
    ("depth_overlap", Term(
        "Neighbours at low depth", "Share of the neighbours of a whole cell that are still found "
        "when only this percentage of its counts is kept.", "higher", 1.0)),
    ("depth_knn", Term(
        "Label transfer at low depth", "Accuracy of the cell type that full-depth neighbours give "
        "a cell of which only this percentage of the counts is kept.", "higher", 1.0)),
    ("energy_distance", Term(
        "Energy distance", "Distance between the population of predicted cells and that of "
        "observed cells, shape included.", "lower", 0.0)),
    ("mmd", Term("MMD", "Kernel distance between the populations of predicted and observed "
                 "cells.", "lower", 0.0)),
    ("wasserstein", Term(
        "Wasserstein distance", "How far counts must be moved, gene by gene, to turn predicted "
        "cells into observed ones.", "lower", 0.0)),
    ("log_variance_ratio", Term(
        "Variance error", "Log ratio of predicted to observed variance of the counts, without "
        "its sign, median over genes: is there as much spread as there should be?",
        "lower", 0.0)),
    ("zero_fraction_error", Term(
        "Zero-fraction error", "Difference between the predicted and the observed share of "
        "cells without a count, mean over genes.", "lower", 0.0)),
    ("correlation_agreement", Term(
        "Gene–gene correlation", "Agreement of the correlations between genes within predicted "
        "and within observed cells.", "higher", 1.0)),
    ("pit_distance", Term("PIT distance", "Do observed counts look like draws from the "
                          "predicted distribution? Kolmogorov distance, mean over genes.",
                          "lower", 0.0)),
    ("population_skill", Term(
        "Population skill", "How far the predicted population is on the way from resampled control "
        "cells (0) to a replicate (1), by this measure; median over the perturbations that "
        "respond.", "higher", 1.0)),
    ("risk_coverage_area_novelty", Term(
        "Errors foreseen by novelty", "Mean error of the predictions kept when those nearest to "
        "what was trained are kept first, over all shares kept. The floor is an order by chance, "
        "the ceiling the order by the errors themselves.", "lower", 0.0)),
    ("risk_coverage_area", Term(
        "Errors foreseen by error bars", "Mean error of the predictions kept when those with the "
        "shortest error bars are kept first, over all shares kept. The floor is an order by "
        "chance, the ceiling the order by the errors themselves.", "lower", 0.0)),
    ("effect_pit_distance", Term(
        "PIT of effects", "Do measured effects fall anywhere in their predicted distributions "
        "equally often? Kolmogorov distance from that.", "lower", 0.0)),
    ("interval_score_ratio", Term(
        "Interval score against one width", "Interval score divided by that of intervals of one "
        "width for everything that cover as much: below 1 the bars are long where errors are "
        "large.", "lower", 0.0)),
    ("coverage", Term("Coverage", "Share of the observed effects inside the predicted "
                      "interval; it should equal the nominal level.", "target")),
    ("crps", Term("CRPS", "Score of the predicted distribution of the mean effect, in log1p "
                  "units.", "lower", 0.0)),
    ("interval_score", Term("Interval score", "Width of the interval plus a penalty for what "
                            "falls outside, in log1p units.", "lower", 0.0)),
    ("spread_skill", Term("Spread–skill ratio", "Squared error of the mean effect divided by "
                          "the variance that was predicted for it.", "target", 1.0)),
    ("sharpness", Term("Interval width", "Mean width of the intervals, in log1p units; only "
                       "worth something together with coverage.", "lower", 0.0)),
    ("spearman_sd_error", Term("Errors foreseen", "Rank correlation over perturbations of the "
                               "predicted and the actual error.", "higher", 1.0)),
)  # fmt: skip


def describe(metric: str) -> Term:
    """Return what a metric means; an unknown one keeps its name and has no direction.

    `metric: verdict` is the metric over the predictions that carry a verdict.
    """
    whole, colon, verdict = metric.partition(": ")
    if colon:
        term = describe(whole)
        return replace(term, label=f"{term.label} where the verdict is “{verdict}”")
    name = re.sub(r"[^a-z0-9]+", "_", metric.lower()).strip("_")
    for start, term in TERMS:
        if name == start or name.startswith(f"{start}_"):
            return _specific(term, name.removeprefix(start).strip("_"))
    return Term(metric.replace("_", " "), "", "unknown")


def _specific(term: Term, rest: str) -> Term:
    """Add the rest of a metric's name to its label; a nominal level becomes the target."""
    best = term.best
    if term.better == "target" and best is None:
        level = re.search(r"\d+", rest)
        best = float(level.group()) / 100 if level else 1.0
    words = re.sub(r"\b(?:de|top_?)(\d+)", r"top \1 genes", rest)
    words = re.sub(r"\bmoved\b", "genes predicted to move most", words)
    words = re.sub(r"\b(small|medium|large)\b", r"\1 predicted effects", words)
    words = re.sub(r"\bexpressed\b", "highest expressed genes", words).replace("_", " ")
    return Term(f"{term.label}, {words}" if words else term.label, term.meaning, term.better, best)
