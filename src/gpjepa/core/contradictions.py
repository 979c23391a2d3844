"""Settings that are fine one by one and make no sense together."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gpjepa.core.config import Config

LEARNED = ("diffusion", "flow", "auto")  # heads that are fitted to recognised latents
GUIDED = ("diffusion", "auto")


def contradiction(config: Config) -> str | None:
    """Word the first contradiction between settings as found, expected, do; None without one."""
    return _of_head(config) or _of_counts(config)


def _of_head(config: Config) -> str | None:
    loss, head = config.loss, config.head
    if head.kind == "deterministic" and loss.kl > 0:
        return (
            f"loss.kl is {loss.kl:g} with head.kind 'deterministic'; expected 0, since a latent "
            "without spread has no KL; set loss.kl=0 or head.kind=variational"
        )
    if head.kind == "deterministic" and head.recognition == "predictive":
        return (
            "head.recognition is 'predictive' with head.kind 'deterministic'; expected 'target', "
            "since nothing is drawn; leave head.recognition out"
        )
    if head.kind in LEARNED and head.recognition == "predictive":
        return (
            f"head.recognition is 'predictive' with head.kind {head.kind!r}; expected 'target', "
            "since the head learns from latents that recognition draws; leave head.recognition out"
        )
    if head.kind not in GUIDED and head.guidance != 1.0:
        return (
            f"head.guidance is {head.guidance:g} with head.kind {head.kind!r}; expected 1, since "
            "only a diffusion is guided; set head.guidance=1 or head.kind=diffusion"
        )
    return None


def _of_counts(config: Config) -> str | None:
    loss, head = config.loss, config.head
    if loss.nb == 0 and head.kind != "deterministic":
        return (
            f"loss.nb is 0 with head.kind {head.kind!r}; expected 'deterministic', since only "
            "counts teach the latent's spread; set head.kind=deterministic and loss.kl=0"
        )
    if loss.nb == 0 and loss.predict == 0:
        return (
            "loss.nb and loss.predict are both 0; expected one above 0, since nothing else "
            "teaches the predictor; raise one of them"
        )
    return None
