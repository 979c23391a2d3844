"""Control, goal and predicted cells of a plan in two dimensions, with their means."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpjepa.api.answers import populations
from gpjepa.api.controls import bound
from gpjepa.api.goals import encoded
from gpjepa.api.plan_setup import Setup
from gpjepa.data.labels import members_of
from gpjepa.inference.cells import CellTable

SHOWN = 200  # cells of each kind
TINY = 1e-12
MOST_MEMBERS = 4  # of the best set, that are shown by themselves


def plan_map(setup: Setup, label: str) -> dict[str, Any]:
    """Return cells and means of control, goal and a set, as JSON.

    Predicted cells are raw counts as `predict` samples them, and all cells are encoded by the
    teacher: the picture does not use the energy that the set was chosen by. The first axis leads
    from the control's mean to the goal's (to the predicted one's where the goal has no latents),
    the second is the first principal component of what is left; `explained` are their shares of
    the cells' variance.
    """
    bundle, seed = setup.start.bundle, setup.search.seed
    members = members_of(label)
    alone = members[:MOST_MEMBERS] if len(members) > 1 else ()
    sampled = populations(setup.start, (label, *alone), SHOWN, seed)
    names = np.asarray(sampled.obs["perturbation"].astype(str))
    cells = bound(sampled, bundle.panel)
    latents = encoded(bundle, CellTable(cells.counts, cells.library), seed)
    groups = {"control": _few(encoded(bundle, setup.start.cells.table, seed))}
    if setup.aim.latents is not None:
        groups["goal"] = _few(setup.aim.latents)
    groups["predicted"] = latents[names == label]
    means = [(kind, _called(setup, kind, label), group.mean(axis=0)) for kind, group in
             groups.items()]  # fmt: skip
    means += [("member", member, latents[names == member].mean(axis=0)) for member in alone]
    centre, axes, explained = _axes(groups["control"], groups.get("goal", groups["predicted"]))
    found: dict[str, Any] = {"kind": [], "x": [], "y": [], "explained": explained, "means": []}
    for kind, group in groups.items():
        if len(group) > 1:
            spots = np.round((group - centre) @ axes.T, 3)
            found["kind"] += [kind] * len(spots)
            found["x"] += spots[:, 0].tolist()
            found["y"] += spots[:, 1].tolist()
    for kind, called, mean in means:
        found["means"].append([kind, called, *np.round((mean - centre) @ axes.T, 3).tolist()])
    return found


def _called(setup: Setup, kind: str, label: str) -> str:
    names = {"control": "control", "goal": f"goal: {setup.aim.name}", "predicted": label}
    return names[kind]


def _few(cells: np.ndarray) -> np.ndarray:
    """Return at most `SHOWN` of the cells, evenly spaced."""
    rows = np.linspace(0, len(cells) - 1, min(SHOWN, len(cells))).round().astype(int)
    return np.asarray(cells[rows])


def _axes(control: np.ndarray, goal: np.ndarray) -> tuple[np.ndarray, np.ndarray, list[float]]:
    """Return centre [D], two axes [2, D] of length 1 and their shares of the variance."""
    centre = control.mean(axis=0).astype(np.float64)
    cells = np.concatenate((control, goal)) - centre
    way = goal.mean(axis=0) - centre
    way = way / max(float(np.linalg.norm(way)), TINY)
    rest = cells - np.outer(cells @ way, way)
    _, _, found = np.linalg.svd(rest - rest.mean(axis=0), full_matrices=False)
    second = found[0] * np.sign(found[0][np.abs(found[0]).argmax()])
    total = max(float(cells.var(axis=0).sum()), TINY)
    shares = [float((cells @ axis).var()) / total for axis in (way, second)]
    return centre, np.stack((way, second)), [round(share, 4) for share in shares]
