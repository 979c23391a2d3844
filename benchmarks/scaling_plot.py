"""The figure of `scaling`: cost of each step against size, one panel an axis."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

LEGEND = 7  # points, of text in the panels


def draw(document: dict[str, Any], path: Path) -> None:
    """Write the figure as PNG or SVG, by the ending of `path`."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    table, middle = document["cpu_seconds"], document["data"]
    figure, panels = pyplot.subplots(1, len(table), figsize=(4.6 * len(table), 6.0), squeeze=False)
    for panel, (axis, found) in zip(panels[0], table.items(), strict=True):
        sizes = np.array(found["sizes"], float)
        panel.set_prop_cycle(color=[*pyplot.get_cmap("tab10").colors, "navy", "black"])
        for name, step in found["steps"].items():
            label = f"{name}  {step['exponent']:.2f} ± {step['se']:.2f}"
            panel.loglog(sizes, step["seconds"], marker="o", markersize=3, linewidth=1, label=label)
        most = max(step["seconds"][-1] for step in found["steps"].values())
        panel.loglog(sizes, most * sizes / sizes[-1], "k:", linewidth=1, label="linear")
        panel.set_xticks(sizes, [f"{size:,.0f}" for size in sizes])
        panel.minorticks_off()
        rest = ", ".join(f"{middle[other]:,} {other}" for other in table if other != axis)
        panel.set_xlabel(f"{axis} ({rest})")
        below = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.14), "ncols": 2}
        panel.legend(fontsize=LEGEND, title="step and exponent", title_fontsize=LEGEND, **below)
    panels[0][0].set_ylabel("CPU seconds, one thread")
    figure.tight_layout()
    figure.savefig(path, dpi=120, metadata={"Date": None} if path.suffix == ".svg" else None)
    pyplot.close(figure)
