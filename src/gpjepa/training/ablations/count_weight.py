"""The weight of counts against the latent terms, λ_nb: what the sweep over it changes."""

from __future__ import annotations

from gpjepa.core.config import Config

COUNT_WEIGHTS = (0.01, 0.1, 0.3, 3.0, 10.0)  # the full model has 1
BALANCED = (0.1, 10.0)


def weighed(config: Config, factor: float, *, balanced: bool = False) -> Config:
    """Return the settings with λ_nb (`loss.nb`) times a factor.

    The likelihood and the pseudobulks of predictor samples are relative to λ_nb and follow it. The
    KL and the priors on the shifts do not, so that a small λ_nb presses posterior and effects
    harder too. `balanced` multiplies these as well: then counts, with the bound that makes them an
    ELBO, are weighed against latent prediction and VICReg alone.
    """
    names = ("nb", "kl", "shift", "interaction") if balanced else ("nb",)
    return config.override([f"loss.{name}={factor * getattr(config.loss, name)}" for name in names])
