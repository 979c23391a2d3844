"""The latent map as data for the page's canvas."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpjepa.report.run import Run
from gpjepa.report.tables import in_order, text_of, values_of

KINDS = ("control", "observed", "predicted")
STEPS = 9999  # a coordinate is embedded as a whole number between 0 and this


def latent_document(run: Run) -> dict[str, Any]:
    """Return the map's points: whole-number coordinates, one unit for both axes, and codes.

    `aspect` is height divided by width. Points that are not finite are left out.
    """
    x, y = values_of(run.latent, "x"), values_of(run.latent, "y")
    known = np.isfinite(x) & np.isfinite(y)
    kinds = [kind for kind, keep in zip(text_of(run.latent, "kind"), known, strict=True) if keep]
    labels = text_of(run.latent, "perturbation")
    labels = [label for label, keep in zip(labels, known, strict=True) if keep]
    kind_names = [*KINDS, *sorted(set(kinds) - set(KINDS))]
    label_names = in_order(sorted(labels))
    kind_codes = {name: code for code, name in enumerate(kind_names)}
    label_codes = {name: code for code, name in enumerate(label_names)}
    across, up, aspect = _whole(x[known], y[known])
    return {
        "x": across,
        "y": up,
        "aspect": aspect,
        "kind": [kind_codes[kind] for kind in kinds],
        "label": [label_codes[label] for label in labels],
        "kinds": kind_names,
        "labels": label_names,
    }


def _whole(x: np.ndarray, y: np.ndarray) -> tuple[list[int], list[int], float]:
    """Return both coordinates on the same unit as whole numbers, and the map's aspect."""
    if not x.size:
        return [], [], 0.6
    low = np.array([x.min(), y.min()])
    spans = np.array([np.ptp(x), np.ptp(y)])
    unit = float(spans.max()) or 1.0
    across = np.round((x - low[0]) / unit * STEPS).astype(int)
    up = np.round((y - low[1]) / unit * STEPS).astype(int)
    aspect = float(np.clip(spans[1] / spans[0], 0.35, 1.0)) if spans[0] > 0 else 1.0
    return across.tolist(), up.tolist(), round(aspect, 3)
