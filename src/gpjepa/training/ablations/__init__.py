"""What the model is without one of its parts, trained by the ordinary pipeline."""

from gpjepa.training.ablations.settings import ABLATIONS, NAMES, Ablation, ablated

__all__ = ["ABLATIONS", "NAMES", "Ablation", "ablated"]
