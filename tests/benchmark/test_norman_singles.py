from __future__ import annotations

from gpjepa.benchmark import norman_singles
from gpjepa.core.config import Config

UNDER_TEST = norman_singles


def test_a_quarter_of_the_genes_is_held_out_with_the_total_as_library(
    asked, config: Config
) -> None:
    assert norman_singles.unseen_genes(config, 0, "cpu") == "scores"
    split, data = asked["split"], asked["data"]
    assert abs(len(split.test) - len(data.perturbations) / 4) <= 1
    assert not set(split.test) & {*split.train, *split.validation}
    assert set(asked["groups"]) == set(split.test)
    assert (data.roles.library, data.has_rest) == ("total_umi", True)


def test_steps_are_limited_and_never_raised(config: Config) -> None:
    most = norman_singles.MOST_STEPS
    long = norman_singles.shortened(Config())
    assert (long.pretrain.max_steps, long.fit.max_steps) == (most, most)
    short = norman_singles.shortened(config)
    assert (short.pretrain.max_steps, short.fit.max_steps) == (3, 6)
    assert short.encoder == config.encoder


def test_the_same_genes_are_predicted_from_a_table(monkeypatch, asked, config: Config) -> None:
    seen = {}

    def score_unseen(data, splits, group, seed) -> str:
        seen.update(splits=splits, group=group, seed=seed)
        return "by table"

    monkeypatch.setattr(norman_singles, "score_unseen", score_unseen)
    assert norman_singles.by_table(config, 3, "cpu") == "by table"
    norman_singles.unseen_genes(config, 3, "cpu")
    assert seen == {"splits": [asked["split"]], "group": "unseen genes, by table", "seed": 3}
