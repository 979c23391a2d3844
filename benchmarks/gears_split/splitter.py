"""Print the simulation splits that cell-gears makes; runs in the environment of cell-gears.

Reads {"labels": [...], "seeds": [...]} from standard input, with labels as GEARS writes them.
"""

from __future__ import annotations

import json
import sys
from types import SimpleNamespace

import pandas
from gears.data_utils import DataSplitter


def split(labels: list[str], seed: int) -> dict[str, list[str]]:
    """Return the labels of each part, as `PertData.prepare_split("simulation", seed)` calls it."""
    cells = SimpleNamespace(obs=pandas.DataFrame({"condition": ["ctrl", *labels]}))
    splitter = DataSplitter(cells, split_type="simulation")
    made, groups = splitter.split_data(
        train_gene_set_size=0.75,
        combo_seen2_train_frac=0.75,
        seed=seed,
        test_perts=None,
        only_test_set_perts=False,
    )
    parts = made.obs.groupby("split")["condition"].agg(list).to_dict()
    named = {f"test {name}": list(found) for name, found in groups["test_subgroup"].items()}
    return {**parts, **named}


if __name__ == "__main__":
    asked = json.load(sys.stdin)
    json.dump({seed: split(asked["labels"], seed) for seed in asked["seeds"]}, sys.stdout)
