from __future__ import annotations

import pytest

from gpjepa.core.config import Config
from gpjepa.core.contradictions import contradiction
from gpjepa.core.errors import ConfigError

POINT = {"kind": "deterministic"}


def test_the_defaults_do_not_contradict_each_other() -> None:
    assert contradiction(Config()) is None


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"head": POINT}, r"loss\.kl is 1 .*expected 0.*set loss\.kl=0"),
        (
            {"head": {**POINT, "recognition": "predictive"}, "loss": {"kl": 0}},
            r"head\.recognition is 'predictive'.*leave head\.recognition out",
        ),
        (
            {"head": {"kind": "diffusion", "recognition": "predictive"}},
            r"'predictive' with head\.kind 'diffusion'.*expected 'target'.*leave .* out",
        ),
        (
            {"head": {"kind": "auto", "recognition": "predictive"}},
            r"'predictive' with head\.kind 'auto'.*expected 'target'",
        ),
        (
            {"head": {"kind": "flow", "guidance": 2.0}},
            r"head\.guidance is 2 with head\.kind 'flow'.*only a diffusion is guided",
        ),
        ({"head": {"guidance": 0.5}}, r"head\.guidance is 0\.5 .*set head\.guidance=1"),
        ({"loss": {"nb": 0}}, r"loss\.nb is 0 .*set head\.kind=deterministic and loss\.kl=0"),
        (
            {"head": POINT, "loss": {"nb": 0, "kl": 0, "predict": 0}},
            r"loss\.nb and loss\.predict are both 0.*raise one of them",
        ),
    ],
)
def test_settings_that_contradict_each_other_are_refused(sections: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Config(**sections)


def test_each_half_of_a_contradiction_is_fine_alone() -> None:
    assert Config(head=POINT, loss={"kl": 0}).head.kind == "deterministic"
    assert Config(head=POINT, loss={"kl": 0, "nb": 0}).loss.nb == 0
    assert Config(loss={"predict": 0}).loss.predict == 0
    assert Config(head={"kind": "diffusion", "guidance": 2.0}).head.guidance == 2.0
    assert Config(head={"kind": "auto", "guidance": 2.0}).head.kind == "auto"
