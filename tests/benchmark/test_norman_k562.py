from __future__ import annotations

import pandas

from gpjepa.benchmark import norman_k562
from gpjepa.core.config import Config
from gpjepa.data.labels import members_of
from gpjepa.training.ablations import ablated

UNDER_TEST = norman_k562


def test_doubles_of_trained_singles_and_genes_never_seen_are_held_out(
    asked, config: Config
) -> None:
    assert norman_k562.held_out(config, 1, "cpu") == "scores"
    groups, split = asked["groups"], asked["split"]
    assert set(groups) == set(split.test)
    doubles = [label for label, group in groups.items() if group == "doubles"]
    unseen = [label for label, group in groups.items() if group == "unseen genes"]
    assert (len(doubles), len(unseen)) == (5, 3)
    for label in doubles:
        assert set(members_of(label)) <= set(split.train)
    for label in unseen:
        assert not any(label in members_of(trained) for trained in split.train)
    assert (asked["config"], asked["seed"], asked["device"]) == (config, 1, "cpu")


def test_a_plain_nb_vae_stands_beside_under_its_own_name(monkeypatch, config: Config) -> None:
    asked = []

    def score(config, seed, device) -> pandas.DataFrame:
        asked.append(config)
        return pandas.DataFrame({"model": ["gpjepa", "additive"], "value": [0.5, 0.6]})

    monkeypatch.setattr(norman_k562, "held_out", score)
    found = norman_k562.plain_nb_vae(config, 0, "cpu")
    assert asked == [ablated(config, "plain NB-VAE")]
    assert found.to_dict("records") == [{"model": "plain NB-VAE", "value": 0.5}]
