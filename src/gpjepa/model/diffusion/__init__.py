"""Latent diffusion: noise schedules, processes, the denoiser, samplers and the head."""

from gpjepa.model.diffusion.head import DiffusionHead
from gpjepa.model.diffusion.samplers import NonFiniteScore

__all__ = ["DiffusionHead", "NonFiniteScore"]
