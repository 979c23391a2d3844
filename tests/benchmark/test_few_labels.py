from __future__ import annotations

from collections import Counter
from types import SimpleNamespace

import pandas
import pytest

from gpjepa.benchmark import few_labels
from gpjepa.benchmark.few_labels import ON_ALL, STARTS, FewLabels, few_labelled
from gpjepa.core.config import Config
from gpjepa.data.labels import CONTROL
from gpjepa.data.perturbseq import read

SCORES = pandas.DataFrame({"model": ["gpjepa", "additive"], "value": [0.8, 0.7]})


def test_training_perturbations_keep_few_cells_and_the_others_lose_their_label(tiny) -> None:
    data = read(tiny.make_cells(), announce=False)
    split = tiny.make_split(data)
    few, rest = few_labelled(data, split, 3, 0)
    before, after = Counter(data.labels), Counter(few.labels)
    for label, count in after.items():
        whole = label == CONTROL or label in split.test
        assert count == (before[label] if whole else 3)
    assert set(after) == set(before)
    assert rest.n_obs == data.n_cells - few.n_cells > 0
    assert "perturbation" not in rest.obs
    assert not set(rest.obs_names) & set(few.cells)
    assert set(few_labelled(data, split, 3, 1)[0].cells) != set(few.cells)


def test_starts_differ_in_what_stage_a_sees_and_baselines_stand_beside_the_first(
    monkeypatch: pytest.MonkeyPatch, config: Config
) -> None:
    seen = {}

    def score(config: Config, seed: int, device: str, unlabelled: bool) -> pandas.DataFrame:
        seen[name] = (unlabelled, config.pretrain.epochs > 0)
        return SCORES

    monkeypatch.setattr(few_labels, "doubles", score)
    monkeypatch.setattr(few_labels, "simulated_doubles", score)
    for start in STARTS:
        for simulated in (False, True):
            name = start.name
            found = FewLabels(start, simulated)(config, 0, "cpu")
            expected = [ON_ALL, "additive"] if name == ON_ALL else [name]
            assert found["model"].tolist() == expected
    assert list(seen.values()) == [(True, True), (False, True), (True, False), (False, False)]
    names = {FewLabels(s, simulated).__name__ for s in STARTS for simulated in (False, True)}
    assert len(names) == 2 * len(STARTS)


def test_fit_sees_the_few_and_stage_a_the_rest_only_where_asked(
    monkeypatch: pytest.MonkeyPatch, config: Config
) -> None:
    asked = []

    def train_and_assess(data, split, config, seed, device, *, unlabelled) -> SimpleNamespace:
        asked.append((data, split, unlabelled))
        return SimpleNamespace(report=SimpleNamespace(table="table", name="gpjepa"))

    kept = few_labels.screen(0)
    monkeypatch.setattr(few_labels, "screen", lambda seed: kept)
    monkeypatch.setattr(few_labels, "train_and_assess", train_and_assess)
    monkeypatch.setattr(few_labels, "group_scores", lambda table, name, groups: groups)
    for unlabelled in (True, False):
        groups = few_labels.doubles(config, 0, "cpu", unlabelled)
    (data, split, rest), (again, _, nothing) = asked
    counts = Counter(data.labels)
    assert max(counts[label] for label in split.train) == few_labels.LABELLED
    assert not set(rest.obs_names) & set(data.cells)
    assert list(again.cells) == list(data.cells)
    assert nothing is None
    assert Counter(groups.values()) == {"doubles": 5, "unseen genes": 3}
